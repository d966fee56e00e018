"""What goes wrong when credentials are asked for, shown, delivered or issued.

InvalidInputError
 |- CredentialMessageError      a message of DCP that cannot be read
 |- CredentialUnknownError      no credential, request or offer of that name here
 |- UnsupportedCredentialError  not among those that are issued here
 |- RequestDecidedError         a request on which nobody has to decide any more
 `- DecisionError               a decision that lacks something, or says too much
RefusedError
 |- ScopeExceededError           more was asked for than the access token allows
 `- UnauthenticatedError
     |- AccessTokenError        no access token, or one that is not for this caller
     `- NotShownError           the caller did not show the credentials that are asked for here
WaitingError
 |- IssuerUnreachableError      the issuer, or the holder, did not answer
 `- NotImplementedQueryError    a query by presentation definition
"""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid
from medspace.trust.errors import UnauthenticatedError


class CredentialMessageError(InvalidInputError):
    """A message of DCP that cannot be read."""

    code = "credential.message"
    sentence = msgid("The message about credentials cannot be used: {reason}.")
    next_step = msgid("Send it as the Decentralized Claims Protocol 1.0 describes it.")


class CredentialUnknownError(InvalidInputError):
    """No credential, request or offer of that name."""

    code = "credential.unknown"
    sentence = msgid("There is nothing called {id} here.")
    next_step = msgid("List what is here with `medspace credentials list`.")


class UnsupportedCredentialError(InvalidInputError):
    """Not among those that are issued here."""

    code = "credential.unsupported"
    sentence = msgid("Credentials called {id} are not issued here.")
    next_step = msgid("Look at the issuer's metadata: it lists what it issues.")


class RequestDecidedError(InvalidInputError):
    """A request on which nobody has to decide, or not any more."""

    code = "credential.decided"
    sentence = msgid("The request {id} does not wait for a decision: it is {state}.")
    next_step = msgid("List those that wait with `medspace credentials list`.")


class DecisionError(InvalidInputError):
    """A decision that lacks something, or says more than it may."""

    code = "credential.decision"
    sentence = msgid("The request {id} cannot be decided so: {reason}.")
    next_step = msgid("State each claim that the configuration leaves to you, and no other; a refusal has a reason.")


class PresentationDefinitionError(InvalidInputError):
    """A query by presentation definition, which is not read here."""

    code = "credential.definition"
    sentence = msgid("Credentials are shown by scope here; presentation definitions are not read.")
    next_step = msgid("Ask with `scope`, such as org.eclipse.dspace.dcp.vc.type:MembershipCredential:read.")


class ScopeExceededError(RefusedError):
    """More was asked for than the access token allows."""

    code = "credential.scope"
    sentence = msgid("The access token does not allow the scope {scope}.")
    next_step = msgid("Ask only for the scopes for which the token was issued.")


class NotIssuedError(RefusedError):
    """The issuer does not issue it to this holder."""

    code = "credential.not-issued"
    sentence = msgid("The credential {type} is not issued to {holder}: {reason}.")
    next_step = msgid("Ask the operator of the issuer what is needed for it.")


class AccessTokenError(UnauthenticatedError):
    """No access token, or one that is not for this caller."""

    code = "identity.access-token"
    sentence = msgid("The call carries no access token that is valid for its caller.")
    next_step = msgid("Send the access token that the holder gave to this very verifier, within its time.")


class NotShownError(UnauthenticatedError):
    """The caller did not show the credentials that are asked for here."""

    code = "identity.credentials"
    sentence = msgid("{did} did not show a credential of the type {type} that holds: {reason}.")
    next_step = msgid("Ask an issuer that is believed for {type} to issue it to {did}.")


class CredentialPeerError(WaitingError):
    """The issuer, or the holder, did not answer, or answered with something else."""

    code = "credential.peer"
    sentence = msgid("{did} did not answer about credentials: {reason}.")
    next_step = msgid("Look whether its connector is running and its DID document names the service, then try again.")
