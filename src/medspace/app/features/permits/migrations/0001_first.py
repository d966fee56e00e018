"""Applications for permits, and opt-outs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = {"permit_cases": ("side", "state", "step", "created", "changed"), "permit_opt_outs": ()}


def upgrade() -> None:
    """Make the change."""
    for table, keys in TABLES.items():
        op.create_table(
            table,
            sa.Column("id", TEXT, nullable=False),
            *(sa.Column(key, TEXT, nullable=key == "step") for key in keys),
            sa.Column("body", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("id"),
        )
        for key in keys:
            op.create_index(f"ix_{table}_{key}", table, [key, "id"], unique=False)
