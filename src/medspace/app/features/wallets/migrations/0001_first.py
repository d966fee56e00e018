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
    _wallet_answered()
    _wallet_commitments()
    _wallet_consents()
    _wallet_forms()
    _wallet_keys()
    _wallet_offers()
    _wallet_patients()


def _wallet_answered() -> None:
    op.create_table(
        "wallet_answered",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallet_answered_expires", "wallet_answered", ["expires", "id"], unique=False)


def _wallet_commitments() -> None:
    op.create_table(
        "wallet_commitments",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallet_commitments_time", "wallet_commitments", ["time", "id"], unique=False)


def _wallet_consents() -> None:
    op.create_table(
        "wallet_consents",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallet_consents_number", "wallet_consents", ["number", "id"], unique=False)
    op.create_index("ix_wallet_consents_patient", "wallet_consents", ["patient", "id"], unique=False)


def _wallet_forms() -> None:
    op.create_table(
        "wallet_forms",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _wallet_keys() -> None:
    op.create_table(
        "wallet_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("place", INTEGER, nullable=False),
        sa.Column("recovery", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallet_keys_patient", "wallet_keys", ["patient", "id"], unique=False)
    op.create_index("ix_wallet_keys_recovery", "wallet_keys", ["recovery", "id"], unique=False)
    op.create_index("uq_wallet_keys_place", "wallet_keys", ["place"], unique=True)


def _wallet_offers() -> None:
    op.create_table(
        "wallet_offers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallet_offers_expires", "wallet_offers", ["expires", "id"], unique=False)
    op.create_index("ix_wallet_offers_patient", "wallet_offers", ["patient", "id"], unique=False)
    op.create_index("ix_wallet_offers_token", "wallet_offers", ["token", "id"], unique=False)


def _wallet_patients() -> None:
    op.create_table(
        "wallet_patients",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("pseudonym", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uq_wallet_patients_pseudonym", "wallet_patients", ["pseudonym"], unique=True)
