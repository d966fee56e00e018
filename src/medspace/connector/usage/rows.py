"""Opening what was admitted: material that does not keep to the admission's scope is not worked on."""

from medspace.connector.usage.errors import ScopeError
from medspace.core.material import Material, Source
from medspace.core.usage import Admission


def opened(source: Source, admission: Admission) -> Material:
    """The material of an admission, narrowed to its scope by the source. Blocking.

    Raises:
        ScopeError: the source does not say that it has applied that scope.
        RefusedError: it may not, or can no longer, be opened.
    """
    material = source.open(admission)
    # A source from before there were scopes says nothing of them: only without a scope is that enough.
    if tuple(getattr(material, "scope", ())) != admission.scope:
        raise ScopeError(asset=admission.asset)
    return material
