"""The steps of a use are found by what was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    # What was asked before has no name: it ended before steps could be asked for.
    op.add_column("questions", sa.Column("asked", TEXT, nullable=False, server_default=""))
    op.create_index("ix_questions_asked", "questions", ["asked", "id"], unique=False)
