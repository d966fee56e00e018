"""Who opted out and who asks, at the registry; the key and the datasets that follow, at a hospital."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = {
    "optouts_persons": ("number",),
    "optouts_askers": (),
    "optouts_asked": (),
    "optouts_keys": (),
    "optouts_followed": (),
}


def upgrade() -> None:
    """Make the change."""
    for table, keys in TABLES.items():
        op.create_table(
            table,
            sa.Column("id", TEXT, nullable=False),
            *(sa.Column(key, INTEGER, nullable=False) for key in keys),
            sa.Column("body", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("id"),
        )
    op.create_index("uq_optouts_persons_number", "optouts_persons", ["number"], unique=True)
