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
    _login_people()
    _spent_logins()


def _login_people() -> None:
    op.create_table(
        "login_people",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_login_people_account", "login_people", ["account", "id"], unique=False)
    op.create_index("ix_login_people_created", "login_people", ["created", "id"], unique=False)


def _spent_logins() -> None:
    op.create_table(
        "spent_logins",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_spent_logins_expires", "spent_logins", ["expires", "id"], unique=False)
