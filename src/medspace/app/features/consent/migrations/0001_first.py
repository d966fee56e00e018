"""Consents, the patients that gave them, and how datasets are used under them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = {
    "consent_patients": (),
    "consent_versions": ("patient", "number"),
    "consent_shapes": (),
    "consent_sources": (),
    "consent_editions": ("dataset",),
    "consent_counted": ("use",),
}
NUMBERS = ("number",)


def upgrade() -> None:
    """Make the change."""
    for table, keys in TABLES.items():
        op.create_table(
            table,
            sa.Column("id", TEXT, nullable=False),
            *(sa.Column(key, INTEGER if key in NUMBERS else TEXT, nullable=False) for key in keys),
            sa.Column("body", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("id"),
        )
        for key in (one for one in keys if one not in NUMBERS):  # a number has its own, which is unique
            op.create_index(f"ix_{table}_{key}", table, [key, "id"], unique=False)
    op.create_index("uq_consent_versions_number", "consent_versions", ["number"], unique=True)
