"""The codes with which a connector of this kind says why: what it may write down as another member's word.

A code of another's own making could hold anything, such as a person's name, and the log is kept for good. So a code
that is not here is noted as `peer.unspecified`; the process itself, which is not signed and can be deleted, keeps it.
"""

from medspace.policy.operands import OPERANDS

UNSPECIFIED = "peer.unspecified"

_MESSAGES = """
message.invalid message.too_large input.invalid refused waiting callback.refused catalog.filter catalog.unknown
process.transition process.unknown process.crossed process.early process.superseded
peer.bad_answer peer.clock peer.forbidden peer.not_sent peer.redirected peer.unreachable
agreement.unknown agreement.mismatch offer.refused offer.not_served
negotiation.not_offered negotiation.in_force negotiation.rejected negotiation.terminated
transfer.refused transfer.suspended transfer.ended
storage.failed storage.full storage.stale storage.duplicate
"""

_IDENTITY = """
identity.algorithm identity.audience identity.document identity.expired identity.header identity.issuer identity.key
identity.key-mismatch identity.lifetime identity.malformed identity.missing identity.no-list identity.not-member
identity.oversized identity.premature identity.replayed identity.signature identity.subject identity.token-id
identity.unauthenticated did.document did.invalid members.expired members.issuer members.malformed members.premature
members.rollback members.signature members.unavailable quota.exceeded
"""

_DECISIONS = """
decision.none policy.action_unknown policy.assignee policy.constraint policy.duty_violated policy.malformed
policy.no_permission policy.prohibited policy.target policy.template_unknown policy.terms_invalid policy.unenforceable
label.absent label.kinds label.malformed label.purposes label.regions label.sensitivity label.valid_from
label.valid_until
use.budget use.changed use.closed use.failed use.held use.no_asset use.no_engine use.questions use.refused use.round
use.held_for_person use.no_step use.over use.sites use.step use.task_changed use.too_long use.unknown use.waits
asset.away envelope.invalid envelope.key learning.column_unknown offer.form
job.crowded part.invalid part.missing parts.busy parts.full release.too_large step.peers tensor.invalid
envelope.unreadable run.manifests_tried run.records_missing signature.invalid signature.key-ended
signature.key-revoked signature.key-unknown signature.no-key signature.single step.unsealed step.unsigned use.restored
run.keys_tried use.memory use.scope use.scope_narrowed use.withheld
"""

KNOWN = frozenset((_MESSAGES + _IDENTITY + _DECISIONS).split()) | {operand.code for operand in OPERANDS.values()}


def noted(code: str) -> str:
    """A code of another member as the log may hold it."""
    return code if code in KNOWN else UNSPECIFIED
