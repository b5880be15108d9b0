"""A small server that answers as Elasticsearch and OpenSearch document it, for what the store asks of them.

No package that can be had here holds a real one. It keeps to what those servers are strict about: rows are seen after a
refresh only, a closed index answers nothing, similarities change while it is closed, mappings take no other fields, and
lengths are kept in one byte as Lucene's `SmallFloat` does. Scores come from the scripts that were sent.
"""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np


def long_to_int4(value):
    """Lucene's `SmallFloat.longToInt4` and back: four significant bits."""
    bits = value.bit_length()
    return value if bits < 4 else value >> (bits - 4) << (bits - 4)


def length_of(words):
    """A field's length as `SmallFloat.intToByte4` keeps it: 40 free values, then rounded ones."""
    free = 255 - 231
    return words if words < free else free + long_to_int4(words - free)


@cache
def counted(text):
    words = text.split()
    return length_of(len(words)), Counter(words)


@cache
def compiled(source):
    """A similarity's script: an expression that Python reads as the server does, all numbers being doubles."""
    return eval("lambda doc, query: " + source.removeprefix("return ").removesuffix(";"))  # noqa: S307 - ours


@dataclass
class Index:
    settings: dict
    properties: dict
    rows: dict = field(default_factory=dict)
    seen: dict = field(default_factory=dict)
    closed: bool = False


class RefusedError(Exception):
    def __init__(self, status, kind):
        super().__init__(kind)
        self.status, self.kind = status, kind


class Elastic:
    """The indexes, and what each request does to them."""

    def __init__(self, distribution):
        self.indexes, self.aliases = {}, {}
        self.distribution, self.lock = distribution, threading.Lock()

    def answer(self, method, path, text):
        path = path.partition("?")[0]
        if path == "/":
            return {
                "version": {"number": "3.1.0"}
                | ({"distribution": "opensearch"} if self.distribution else {})
            }
        name, _, action = path.strip("/").partition("/")
        body = None if action == "_bulk" else json.loads(text or "{}")
        if name == "_aliases":
            return self.alias(body["actions"])
        if method == "GET" and name.endswith("*"):
            return {one: {} for one in self.indexes if one.startswith(name[:-1])}
        name = self.aliases.get(name, name)
        if action.startswith("_doc/"):
            return self.document(method, name, action.removeprefix("_doc/"), body)
        if method == "PUT" and not action:
            if name in self.indexes:
                raise RefusedError(400, "resource_already_exists_exception")
            self.indexes[name] = Index(body["settings"]["index"], body["mappings"]["properties"])
            return {"acknowledged": True}
        if name not in self.indexes:
            raise RefusedError(404, "index_not_found_exception")
        index = self.indexes[name]
        if method == "DELETE":
            del self.indexes[name]
            return {"acknowledged": True}
        if method == "GET" and not action:
            return {name: {}}
        if index.closed and action not in ("_open", "_settings", "_close"):
            raise RefusedError(400, "index_closed_exception")
        return getattr(self, action.removeprefix("_"))(index, text if body is None else body)

    def alias(self, actions):
        for action in actions:
            ((kind, what),) = action.items()
            if kind == "remove_index":
                del self.indexes[what["index"]]
                self.aliases = {a: i for a, i in self.aliases.items() if i != what["index"]}
            else:
                assert kind == "add"
                assert what["alias"] not in self.indexes
                self.aliases[what["alias"]] = what["index"]
        return {"acknowledged": True}

    def document(self, method, name, number, body):
        index = self.indexes.get(name)
        if method == "PUT":
            self.indexes.setdefault(name, Index({}, {})).rows[number] = body
            return {"result": "created"}
        if index is None or number not in index.rows:
            raise RefusedError(404, "not_found")
        if method == "DELETE":
            del index.rows[number]
            return {"result": "deleted"}
        return {"found": True, "_source": index.rows[number]}

    def bulk(self, index, text):
        assert text.endswith("\n")
        lines, items = [json.loads(line) for line in text.splitlines()], []
        while lines:
            ((action, where),) = lines.pop(0).items()
            if action == "delete":
                items.append(
                    {"delete": {"status": 200 if index.rows.pop(where["_id"], None) else 404}}
                )
                continue
            row = lines.pop(0)
            if row.keys() - index.properties.keys():
                items.append(
                    {
                        "index": {
                            "status": 400,
                            "error": {"type": "strict_dynamic_mapping_exception"},
                        }
                    }
                )
                continue
            index.rows[where["_id"]] = row
            items.append({"index": {"status": 201}})
        return {
            "errors": any("error" in value for item in items for value in item.values()),
            "items": items,
        }

    def refresh(self, index, body):
        index.seen = dict(index.rows)
        return {}

    def close(self, index, body):
        index.closed = True
        return {}

    def open(self, index, body):
        index.closed, index.seen = False, dict(index.rows)
        return {}

    def settings(self, index, body):
        if not index.closed:
            raise RefusedError(400, "illegal_argument_exception: non dynamic settings")
        index.settings |= body["index"]
        return {}

    def count(self, index, body):
        return {"count": len(self.scored(index, body["query"]))}

    def search(self, index, body):
        if "aggs" in body:
            return {
                "aggregations": {
                    name: self.aggregated(index, asked) for name, asked in body["aggs"].items()
                }
            }
        if body["size"] > index.settings.get("max_result_window", 10_000):
            raise RefusedError(400, "illegal_argument_exception: Result window is too large")
        if "knn" in body:
            near = body["knn"]
            assert near["k"] <= near["num_candidates"] <= 10_000
            scores = self.near(index, near["field"], near["query_vector"], near["k"])
        else:
            scores = self.scored(index, body["query"])
        if "sort" not in body:
            order = sorted(scores, key=lambda number: -scores[number])
        elif body["sort"] == [{"key": "asc"}]:
            order = sorted(scores, key=lambda number: index.seen[number]["key"])
            after = body.get("search_after", [-1])[0]
            order = [number for number in order if index.seen[number]["key"] > after]
        else:
            assert body["sort"] == [{"_score": "desc"}, {"key": "asc"}]
            order = sorted(scores, key=lambda number: (-scores[number], index.seen[number]["key"]))
        return {
            "hits": {
                "hits": [
                    {"_id": number, "_score": scores[number]} for number in order[: body["size"]]
                ]
            }
        }

    def aggregated(self, index, asked):
        if "sum" in asked:
            outer, _, inner = asked["sum"]["field"].partition(".")
            return {"value": float(sum(row[outer][inner] for row in index.seen.values()))}
        filters = asked["filters"]["filters"]
        return {
            "buckets": {
                name: {"doc_count": len(self.scored(index, query))}
                for name, query in filters.items()
            }
        }

    def scored(self, index, query):
        """Score by row, of the rows that a query matches."""
        ((kind, what),) = query.items()
        if kind == "match_all":
            return dict.fromkeys(index.seen, 1.0)
        if kind == "knn":
            ((name, near),) = what.items()
            assert index.settings["knn"] is True
            return self.near(index, name, near["vector"], near["k"])
        if kind == "terms":
            if len(what["key"]) > index.settings.get("max_terms_count", 65_536):
                raise RefusedError(400, "illegal_argument_exception: too many terms")
            keys = set(what["key"])
            return {number: 1.0 for number, row in index.seen.items() if row["key"] in keys}
        if kind == "term":
            ((name, term),) = what.items()
            term = term if isinstance(term, dict) else {"value": term}
            return self.worded(index, name, term["value"], np.float32(term.get("boost", 1.0)))
        if kind == "script_score":
            rows = self.scored(index, what["query"])
            scores = {
                number: self.vector_score(index, index.seen[number], what["script"])
                for number in rows
            }
            assert all(score >= 0 for score in scores.values()), "scores must not be negative"
            return scores
        assert kind == "bool"
        found = Counter()
        for part in what.get("should", []):
            for number, score in self.scored(index, part).items():
                found[number] += score
        allowed = [self.scored(index, part).keys() for part in what.get("filter", [])]
        within = dict(found) if "should" in what else dict.fromkeys(index.seen, 0.0)
        return {
            number: score
            for number, score in within.items()
            if all(number in one for one in allowed)
        }

    def worded(self, index, name, word, boost):
        source = index.settings["similarity"][index.properties[name]["similarity"]]["script"][
            "source"
        ]
        part = compiled(source)
        query, scores = SimpleNamespace(boost=float(boost)), {}
        for number, row in index.seen.items():
            length, counts = counted(row[name])
            if word in counts:
                scores[number] = float(
                    np.float32(part(SimpleNamespace(freq=counts[word], length=length), query))
                )
        return scores

    def near(self, index, name, query, k):
        """The k nearest rows by eight-bit codes, whose scores are not quite those of the rows."""
        shape = index.properties[name]
        if shape["type"] == "knn_vector":
            assert shape["method"]["space_type"] == "innerproduct"
        else:
            assert (shape["index"], shape["similarity"]) == (True, "max_inner_product")
            assert shape["index_options"]["type"] == "int8_hnsw"
        numbers = [*index.seen]
        if not numbers:
            return {}
        rows = np.array([index.seen[number][name] for number in numbers], np.float32)
        products = np.round(rows * 127) / 127 @ np.array(query, np.float32)
        best = np.argsort(-products)[:k]
        positive = np.where(products >= 0, products + 1, 1 / (1 - np.minimum(products, 0)))
        return {numbers[at]: float(positive[at]) for at in best}

    def vector_score(self, index, row, script):
        kind, vector = index.properties["vector"]["type"], np.array(row["vector"], np.float32)
        if script.get("lang") == "knn":
            assert (kind, script["params"]["space_type"]) == ("knn_vector", "innerproduct")
            product = float(vector @ np.array(script["params"]["query_value"], np.float32))
            return product + 1 if product >= 0 else 1 / (1 - product)
        assert kind == "dense_vector"
        assert script["source"] == "Math.max(0.0, dotProduct(params.query, 'vector') + 1.0)"
        return max(0.0, float(vector @ np.array(script["params"]["query"], np.float32)) + 1.0)


@contextmanager
def serve(distribution):
    """The server's address; `distribution` "opensearch" or ""."""
    elastic = Elastic(distribution)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: two would wait for each other's acknowledgement

        def handle_any(self):
            text = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            try:
                with elastic.lock:
                    status, answer = 200, elastic.answer(self.command, self.path, text)
            except RefusedError as error:
                status, answer = (
                    error.status,
                    {"error": {"type": error.kind}, "status": error.status},
                )
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", elastic
    server.shutdown()
    thread.join()
    server.server_close()
