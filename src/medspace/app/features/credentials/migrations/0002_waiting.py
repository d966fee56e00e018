"""Requests for credentials on which a person has to decide."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    op.add_column("issuance_requests", sa.Column("waiting", TEXT, nullable=True))
    op.create_index("ix_issuance_requests_waiting", "issuance_requests", ["waiting", "id"], unique=False)
