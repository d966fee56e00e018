"""First."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _credential_offers()
    _credential_requests()
    _held_credentials()
    _issuance_requests()
    _issued_credentials()
    _status_lists()


def _credential_offers() -> None:
    op.create_table(
        "credential_offers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("received", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_credential_offers_received", "credential_offers", ["received", "id"], unique=False)


def _credential_requests() -> None:
    op.create_table(
        "credential_requests",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("made", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_credential_requests_made", "credential_requests", ["made", "id"], unique=False)
    op.create_index("ix_credential_requests_state", "credential_requests", ["state", "id"], unique=False)


def _held_credentials() -> None:
    op.create_table(
        "held_credentials",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("received", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_held_credentials_issuer", "held_credentials", ["issuer", "id"], unique=False)
    op.create_index("ix_held_credentials_received", "held_credentials", ["received", "id"], unique=False)
    op.create_index("ix_held_credentials_type", "held_credentials", ["type", "id"], unique=False)


def _issuance_requests() -> None:
    op.create_table(
        "issuance_requests",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("due", TEXT, nullable=True),
        sa.Column("taken", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_issuance_requests_due", "issuance_requests", ["due", "id"], unique=False)
    op.create_index("ix_issuance_requests_holder", "issuance_requests", ["holder", "id"], unique=False)
    op.create_index("ix_issuance_requests_taken", "issuance_requests", ["taken", "id"], unique=False)


def _issued_credentials() -> None:
    op.create_table(
        "issued_credentials",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("issued", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_issued_credentials_holder", "issued_credentials", ["holder", "id"], unique=False)
    op.create_index("ix_issued_credentials_issued", "issued_credentials", ["issued", "id"], unique=False)
    op.create_index("ix_issued_credentials_request", "issued_credentials", ["request", "id"], unique=False)


def _status_lists() -> None:
    op.create_table(
        "status_lists",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
