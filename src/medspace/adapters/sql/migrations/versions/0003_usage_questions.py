"""Questions that were asked, their answers, the contents that they were put to, and how many were spent."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _data_versions()
    _kept_answers()
    _questions()
    _spent_questions()
    _answered()


def _data_versions() -> None:
    op.create_table(
        "data_versions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_data_versions_asset", "data_versions", ["asset", "id"], unique=False)
    op.create_index("ix_data_versions_time", "data_versions", ["time", "id"], unique=False)


def _kept_answers() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kept_answers_request", "kept_answers", ["request", "id"], unique=False)
    op.create_index("ix_kept_answers_time", "kept_answers", ["time", "id"], unique=False)


def _questions() -> None:
    op.create_table(
        "questions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_questions_agreement", "questions", ["agreement", "id"], unique=False)
    op.create_index("ix_questions_asset", "questions", ["asset", "id"], unique=False)
    op.create_index("ix_questions_job", "questions", ["job", "id"], unique=False)
    op.create_index("ix_questions_outcome", "questions", ["outcome", "id"], unique=False)
    op.create_index("ix_questions_time", "questions", ["time", "id"], unique=False)
    op.create_index("ix_questions_user", "questions", ["user", "id"], unique=False)
    op.create_index("ix_questions_version", "questions", ["version", "id"], unique=False)


def _spent_questions() -> None:
    op.create_table(
        "spent_questions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _answered() -> None:
    op.drop_table("answered")
