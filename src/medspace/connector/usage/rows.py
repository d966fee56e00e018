"""Opening admitted material; material that does not keep to the admission's scope is not used."""

from medspace.connector.usage.errors import ScopeError
from medspace.core.material import Material, Source
from medspace.core.usage import Admission


def opened(source: Source, admission: Admission) -> Material:
    """The material of an admission, narrowed to its scope by the source. Blocking.

    Raises:
        ScopeError: the source does not state that it has applied that scope.
        RefusedError: it may not, or can no longer, be opened.
    """
    material = source.open(admission)
    # A source from before scopes existed states none: that suffices only where the admission has no scope.
    if tuple(getattr(material, "scope", ())) != admission.scope:
        raise ScopeError(asset=admission.asset)
    return material
