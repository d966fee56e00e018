"""First tables."""

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
    _agreements()
    _answered()
    _datasets()
    _intents()
    _jobs()
    _labels()
    _learning_checkpoints()
    _learning_models()
    _learning_rounds()
    _learning_runs()
    _ledger_checkpoints()
    _log()
    _members_lists()
    _negotiations()
    _register()
    _seen_tokens()
    _transfers()


def _agreements() -> None:
    op.create_table(
        "agreements",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("consumer", TEXT, nullable=False),
        sa.Column("dataset", TEXT, nullable=False),
        sa.Column("finalized", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_agreements_consumer", "agreements", ["consumer", "id"], unique=False)
    op.create_index("ix_agreements_dataset", "agreements", ["dataset", "id"], unique=False)
    op.create_index("ix_agreements_finalized", "agreements", ["finalized", "id"], unique=False)
    op.create_index("ix_agreements_provider", "agreements", ["provider", "id"], unique=False)


def _answered() -> None:
    op.create_table(
        "answered",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _intents() -> None:
    op.create_table(
        "intents",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_intents_audience", "intents", ["audience", "id"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_jobs_agreement", "jobs", ["agreement", "id"], unique=False)
    op.create_index("ix_jobs_number", "jobs", ["number", "id"], unique=False)


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _learning_checkpoints() -> None:
    op.create_table(
        "learning_checkpoints",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _learning_models() -> None:
    op.create_table(
        "learning_models",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_learning_models_created", "learning_models", ["created", "id"], unique=False)
    op.create_index("ix_learning_models_digest", "learning_models", ["digest", "id"], unique=False)


def _learning_rounds() -> None:
    op.create_table(
        "learning_rounds",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("round", INTEGER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_learning_rounds_round", "learning_rounds", ["round", "id"], unique=False)
    op.create_index("ix_learning_rounds_run", "learning_rounds", ["run", "id"], unique=False)
    op.create_index("uq_learning_rounds_run_round", "learning_rounds", ["run", "round"], unique=True)


def _learning_runs() -> None:
    op.create_table(
        "learning_runs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("settled", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_learning_runs_created", "learning_runs", ["created", "id"], unique=False)
    op.create_index("ix_learning_runs_settled", "learning_runs", ["settled", "id"], unique=False)
    op.create_index("ix_learning_runs_state", "learning_runs", ["state", "id"], unique=False)


def _ledger_checkpoints() -> None:
    op.create_table(
        "ledger_checkpoints",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uq_ledger_checkpoints_size", "ledger_checkpoints", ["size"], unique=True)


def _log() -> None:
    op.create_table(
        "log",
        sa.Column("id", INTEGER, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _members_lists() -> None:
    op.create_table(
        "members_lists",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _negotiations() -> None:
    op.create_table(
        "negotiations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("counterparty", TEXT, nullable=False),
        sa.Column("initial", TEXT, nullable=True),
        sa.Column("agreement_id", TEXT, nullable=True),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_negotiations_agreement_id", "negotiations", ["agreement_id", "id"], unique=False)
    op.create_index("ix_negotiations_counterparty", "negotiations", ["counterparty", "id"], unique=False)
    op.create_index("ix_negotiations_created", "negotiations", ["created", "id"], unique=False)
    op.create_index("ix_negotiations_initial", "negotiations", ["initial", "id"], unique=False)
    op.create_index("ix_negotiations_role", "negotiations", ["role", "id"], unique=False)
    op.create_index("ix_negotiations_state", "negotiations", ["state", "id"], unique=False)
    op.create_index(
        "uq_negotiations_role_counterparty_initial", "negotiations", ["role", "counterparty", "initial"], unique=True
    )


def _register() -> None:
    op.create_table(
        "register",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _seen_tokens() -> None:
    op.create_table(
        "seen_tokens",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("expires", INTEGER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_seen_tokens_expires", "seen_tokens", ["expires", "id"], unique=False)


def _transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("counterparty", TEXT, nullable=False),
        sa.Column("initial", TEXT, nullable=True),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_transfers_agreement", "transfers", ["agreement", "id"], unique=False)
    op.create_index("ix_transfers_counterparty", "transfers", ["counterparty", "id"], unique=False)
    op.create_index("ix_transfers_created", "transfers", ["created", "id"], unique=False)
    op.create_index("ix_transfers_initial", "transfers", ["initial", "id"], unique=False)
    op.create_index("ix_transfers_role", "transfers", ["role", "id"], unique=False)
    op.create_index("ix_transfers_state", "transfers", ["state", "id"], unique=False)
    op.create_index(
        "uq_transfers_role_counterparty_initial", "transfers", ["role", "counterparty", "initial"], unique=True
    )
