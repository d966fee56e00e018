"""The smallest transaction that the ledger runs on."""

from medspace.core.errors import DuplicateRecordError
from medspace.ledger.merkle import Frontier, leaf_hash


class MemoryLog:
    def __init__(self):
        self.content = []
        self.nodes = {}
        self.frontier = Frontier()
        self.lookups = 0

    def append(self, entry):
        self.nodes.update(self.frontier.append(leaf_hash(entry)))
        self.content.append(entry)
        return len(self.content) - 1

    def size(self):
        return len(self.content)

    def entries(self, start, stop):
        return self.content[start:stop]

    def hashes(self, nodes):
        self.lookups += 1
        return [self.nodes[node] for node in nodes]


class MemoryTransaction:
    def __init__(self):
        self.log = MemoryLog()
        self.records = {}

    def get(self, collection, record_id):
        return self.records.get((collection.name, record_id))

    def find(self, collection, *, where=None, order_by="id", after=None, descending=False, limit=100):
        found = [record for (name, _), record in self.records.items() if name == collection.name]
        return sorted(found, key=lambda record: getattr(record, order_by), reverse=descending)[:limit]

    def insert(self, collection, record):
        if (collection.name, record.id) in self.records:
            raise DuplicateRecordError(id=record.id)
        self.records[collection.name, record.id] = record
