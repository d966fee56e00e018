"""Credentials, status lists, and who is believed for what."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = {
    "issuer_lists": (),
    "narrowed_issuers": (),
    "received_credentials": ("subject", "list", "received"),
    "received_status_lists": ("issuer", "until"),
    "own_status_lists": (),
    "signed_credentials": ("subject", "issued"),
    "credential_deliveries": ("list", "step"),
}


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
