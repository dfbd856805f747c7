"""How Schemathesis asks control: as somebody who may do everything, and mostly for what is there."""

import os

import schemathesis

THERE = {"application": "quay", "environment": "production", "release": 1}


@schemathesis.auth()
class Token:
    def get(self, case, context):
        with open(os.environ["TOKEN_FILE"], encoding="utf-8") as file:
            return file.read().strip()

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    given = path_parameters or {}
    # One in four stays as it was made up.
    if sum(len(str(value)) for value in given.values()) % 4:
        given.update({name: value for name, value in THERE.items() if name in given})
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    # What waits for something new would wait for as long as it is told to.
    for name in ("wait_ms", "follow"):
        (query or {}).pop(name, None)
    return query
