"""Accounts, passkeys, sessions, sign-in links and challenges."""

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
    _passkey_challenges()
    _passkeys()
    _portal_accounts()
    _portal_sessions()
    _sign_in_links()


def _passkey_challenges() -> None:
    op.create_table(
        "passkey_challenges",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_passkey_challenges_expires", "passkey_challenges", ["expires", "id"], unique=False)
    op.create_index("ix_passkey_challenges_holder", "passkey_challenges", ["holder", "id"], unique=False)


def _passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_passkeys_account", "passkeys", ["account", "id"], unique=False)
    op.create_index("ix_passkeys_created", "passkeys", ["created", "id"], unique=False)


def _portal_accounts() -> None:
    op.create_table(
        "portal_accounts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_portal_accounts_created", "portal_accounts", ["created", "id"], unique=False)


def _portal_sessions() -> None:
    op.create_table(
        "portal_sessions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_portal_sessions_account", "portal_sessions", ["account", "id"], unique=False)
    op.create_index("ix_portal_sessions_created", "portal_sessions", ["created", "id"], unique=False)
    op.create_index("ix_portal_sessions_expires", "portal_sessions", ["expires", "id"], unique=False)


def _sign_in_links() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sign_in_links_account", "sign_in_links", ["account", "id"], unique=False)
    op.create_index("ix_sign_in_links_created", "sign_in_links", ["created", "id"], unique=False)
    op.create_index("ix_sign_in_links_expires", "sign_in_links", ["expires", "id"], unique=False)
