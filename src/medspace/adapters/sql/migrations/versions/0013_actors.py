"""Actors."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _access_tokens()
    _actors()


def _access_tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("made_with", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_access_tokens_actor", "access_tokens", ["actor", "id"], unique=False)
    op.create_index("ix_access_tokens_created", "access_tokens", ["created", "id"], unique=False)
    op.create_index("ix_access_tokens_made_with", "access_tokens", ["made_with", "id"], unique=False)


def _actors() -> None:
    op.create_table(
        "actors",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("named", TEXT, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_actors_kind", "actors", ["kind", "id"], unique=False)
    op.create_index("ix_actors_named", "actors", ["named", "id"], unique=False)
    op.create_index("uq_actors_kind_named", "actors", ["kind", "named"], unique=True)
