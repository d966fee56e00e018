"""FHIR resources of a server, fetched into a folder of NDJSON: by bulk export, or by search page by page.

    settings    what a person wrote of a server, read strictly
    login       access tokens: SMART backend services, OAuth client credentials
    calls       one server asked with patience; which addresses of its answers are followed
    exporting   Bulk Data Access 2.0: a job that is started, waited for, taken, and gone on with after an end
    searching   REST search with paging
    folder      what is kept: only what the views need, replaced as a whole
    service     `fetch`: all of it together

Security model: the server may err or be hostile. Its answers lead to no other place than its own or one that the
settings list, and a token goes to its own place alone; what they hold is bounded in number, size and time. What was
fetched before stays until everything new is there.
"""
