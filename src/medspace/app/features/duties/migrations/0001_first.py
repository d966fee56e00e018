"""Duties after uses."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEYS = ("role", "state", "agreement", "use", "due", "since", "step")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "owed_duties",
        sa.Column("id", TEXT, nullable=False),
        *(sa.Column(key, TEXT, nullable=key == "step") for key in KEYS),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for key in KEYS:
        op.create_index(f"ix_owed_duties_{key}", "owed_duties", [key, "id"], unique=False)
