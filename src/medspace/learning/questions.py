"""How the questions of each kind of task on tables are read again, so that all answers are audited together."""

from collections.abc import Mapping

from medspace.learning.cox.judging import CoxStep
from medspace.learning.cox.task import COX
from medspace.learning.glm.judging import Reader, SiteStep

READERS: Mapping[str, Reader] = {"glm": SiteStep.read, COX: CoxStep.read}
