#include "api/openapi.h"

// The text of openapi.yaml at the root of the tree, between the two brackets: change both together.
namespace millrace::api {
namespace {

// clang-format off
constexpr std::string_view text = R"yaml(openapi: 3.1.0
info:
  title: Millrace
  version: "1"
  summary: Canvas Live Events in, data streams out.
  description: |
    The control plane of a Millrace node, and the addresses that machines ask.

    Every path needs a token in `Authorization: Bearer TOKEN`, but for those marked with an empty `security`. A token belongs to
    root accounts and has a role: a viewer reads, an editor changes data streams, an owner also handles credentials and reads
    the audit log, a producer sends events and nothing else. What belongs to an account that the token does not have is answered
    as if it did not exist (404).

    Times are UTC in ISO 8601 with milliseconds. Lists answer `{"items": [...], "next": CURSOR}`; pass the cursor as `after` for the
    next page; `next` is null at the end. A page ends at its limit, or when it has 4 MiB, or when a long search has found nothing so far:
    it may have few items, or none, and yet a `next`. Large pages come in chunks; an account may have four under way, more wait (503
    when too many do). Bodies have at most 1 MiB. Unknown fields and parameters are refused, and all faults of
    an input are told at once. HEAD is answered wherever GET is.
  license:
    name: Apache-2.0
    identifier: Apache-2.0
servers:
  - url: /
security:
  - token: []

paths:
  /:
    get:
      summary: A short page that says what runs here
      security: []
      responses:
        "200": {description: HTML, content: {text/html: {schema: {type: string}}}}
  /openapi.yaml:
    get:
      summary: This document
      security: []
      responses:
        "200": {description: YAML, content: {application/yaml: {schema: {type: string}}}}
  /jwks:
    get: &jwks
      summary: Public signing keys - previous, current, next, in this order
      description: Receivers verify deliveries with these. Keep them for an hour at most, and ask again when a kid is not among them.
      security: []
      responses:
        "200":
          description: The key set
          headers:
            Cache-Control: {schema: {type: string, const: max-age=3600}}
            ETag: {schema: {type: string}}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/KeySet"}
        "304": {description: Unchanged since the answer with the ETag in If-None-Match}
  /main/jwks:
    get: *jwks
  /.well-known/jwks.json:
    get: *jwks
  /healthz:
    get:
      summary: Whether this node makes progress
      security: []
      responses:
        "200": {$ref: "#/components/responses/Status"}
        "503": {$ref: "#/components/responses/Problem"}
  /readyz:
    get:
      summary: Whether this node takes requests
      security: []
      responses:
        "200": {$ref: "#/components/responses/Status"}
        "503": {$ref: "#/components/responses/Problem"}
  /metrics:
    get:
      summary: Metrics in the text format of Prometheus
      description: They tell of every account, so the token must be one of every account; any role but producer.
      responses:
        "200": {description: Metrics, content: {text/plain: {schema: {type: string}}}}
        "401": {$ref: "#/components/responses/Problem"}
        "403": {$ref: "#/components/responses/Problem"}

  /api/v1/data_streams:
    get:
      summary: List data streams, the oldest first
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
        - {name: account, in: query, schema: {type: string}, description: Only those of this root account}
        - {name: state, in: query, schema: {$ref: "#/components/schemas/StreamState"}}
      responses:
        "200":
          description: A page of them
          content: {application/json: {schema: {$ref: "#/components/schemas/DataStreams"}}}
        default: {$ref: "#/components/responses/Problem"}
    post:
      summary: Make a data stream
      description: It begins with what is accepted from now on. Role editor or owner.
      parameters:
        - {$ref: "#/components/parameters/idempotencyKey"}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/DataStreamInput"}}}
      responses:
        "201": {$ref: "#/components/responses/MadeDataStream"}
        "202": {$ref: "#/components/responses/StoredDataStream"}
        "400": {$ref: "#/components/responses/Problem"}
        "403": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: One data stream
      responses:
        "200": {$ref: "#/components/responses/DataStream"}
        "304": {description: Unchanged since the answer with the ETag in If-None-Match}
        default: {$ref: "#/components/responses/Problem"}
    patch:
      summary: Change a data stream
      description: |
        A JSON merge patch (RFC 7396): what is absent stays, what is null goes. Filters take effect for what is accepted from now on; a new
        URL, credentials, headers and format for the next try. The account cannot be changed. Role editor or owner.
      parameters:
        - {$ref: "#/components/parameters/ifMatch"}
      requestBody:
        required: true
        content:
          application/merge-patch+json: {schema: {$ref: "#/components/schemas/DataStreamPatch"}}
          application/json: {schema: {$ref: "#/components/schemas/DataStreamPatch"}}
      responses:
        "200": {$ref: "#/components/responses/DataStream"}
        "202": {$ref: "#/components/responses/StoredDataStream"}
        "412": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
    delete:
      summary: Delete a data stream, with what waits for it and what it has kept
      description: Role editor or owner.
      parameters:
        - {$ref: "#/components/parameters/ifMatch"}
      responses:
        "204":
          description: Deleted
          headers:
            Millrace-Dropped-Events: {schema: {type: integer}, description: How many events waited for it and are sent no more}
            Millrace-Dropped-Undelivered: {schema: {type: integer}, description: How many undelivered events were kept and went with it}
        "202":
          description: Deleted; what is left of it goes as soon as possible, after any restart, too
          content:
            application/json:
              schema:
                type: object
                required: [id, applied]
                properties: {id: {type: string}, applied: {type: boolean, const: false}}
        "412": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/duplicate:
    parameters:
      - {$ref: "#/components/parameters/id"}
    post:
      summary: Copy a data stream, secrets included
      description: The copy is named "NAME (copy)" and is deactivated, so that it can be looked at first. Role editor or owner.
      parameters:
        - {$ref: "#/components/parameters/idempotencyKey"}
      requestBody: {$ref: "#/components/requestBodies/Nothing"}
      responses:
        "201": {$ref: "#/components/responses/MadeDataStream"}
        "202": {$ref: "#/components/responses/StoredDataStream"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/deactivate:
    parameters:
      - {$ref: "#/components/parameters/id"}
    post:
      summary: Stop a data stream
      description: What is under way ends, what waits stays and its retries stand still. Stopping a stopped one changes nothing. Role editor or owner.
      parameters:
        - {$ref: "#/components/parameters/ifMatch"}
      requestBody: {$ref: "#/components/requestBodies/Nothing"}
      responses:
        "200": {$ref: "#/components/responses/DataStream"}
        "202": {$ref: "#/components/responses/StoredDataStream"}
        "412": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/activate:
    parameters:
      - {$ref: "#/components/parameters/id"}
    post:
      summary: Start a deactivated data stream
      description: Role editor or owner. An active stream is a conflict (409).
      parameters:
        - {$ref: "#/components/parameters/ifMatch"}
      requestBody:
        required: false
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              properties:
                from:
                  type: string
                  default: stop
                  description: >-
                    "stop" - with all that has waited since it stopped; "now" - without it (it is counted as skipped); or a time of
                    acceptance that has passed, from which on events are sent.
                  examples: [stop, now, "2026-11-21T19:05:12Z"]
      responses:
        "200":
          description: The data stream, and how many events were skipped
          content:
            application/json:
              schema:
                allOf:
                  - {$ref: "#/components/schemas/DataStream"}
                  - type: object
                    properties:
                      skipped: {type: integer, description: Events that waited and are not sent}
        "202": {$ref: "#/components/responses/StoredDataStream"}
        "409": {$ref: "#/components/responses/Problem"}
        "412": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/test:
    parameters:
      - {$ref: "#/components/parameters/id"}
    post:
      summary: Send one made event now, and answer what came of it
      description: >-
        The event says that it is a test: in Canvas form `"test":true` in its metadata, in Caliper form the same among the event's extensions, in a JWT
        within the claims; beside it goes the header `Millrace-Test: true`. It is not retried and not counted; its attempt is kept, with run `test`.
        Role editor or owner.
      requestBody:
        required: false
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              properties:
                event_type: {type: string, description: "One of the catalogue that the stream's format has a form for, or one that the stream names; by default its first"}
                body: {type: object, description: "The event's body; by default that of the catalogue's example"}
      responses:
        "200":
          description: The attempt, whether it succeeded or not
          content: {application/json: {schema: {$ref: "#/components/schemas/AttemptOutcome"}}}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/attempts:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: What was tried, the newest first
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
        - {name: outcome, in: query, schema: {enum: [delivered, failed, waiting]}, description: "failed: waiting ones too"}
        - {name: event_type, in: query, schema: {type: string}}
        - {name: event_id, in: query, schema: {type: string, format: uuid}}
        - {name: since, in: query, schema: {type: string, format: date-time}}
      responses:
        "200":
          description: A page of attempts
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties: {items: {type: array, items: {$ref: "#/components/schemas/Attempt"}}}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/undelivered:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: Events that are kept after their tries were used up, the newest first
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
        - {name: include, in: query, schema: {const: event}, description: With each event itself; then at most 10 a page}
      responses:
        "200":
          description: A page of events
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties: {items: {type: array, items: {$ref: "#/components/schemas/Undelivered"}}}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/data_streams/{id}/health:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: How a data stream does now
      responses:
        "200":
          description: Counts, times, and how much of the error budget is used
          content: {application/json: {schema: {$ref: "#/components/schemas/StreamHealth"}}}
        default: {$ref: "#/components/responses/Problem"}

  /api/v1/events:
    post:
      summary: Send events in
      description: |
        One event, an array of events, NDJSON, a JSON text sequence, or objects one after another; with a byte order mark or without,
        compressed (`Content-Encoding: gzip` or `zstd`) or not. At most 10,000 events and 14 MiB, also when it is expanded. Each stands
        for itself: what cannot be stored is told by its place, and the rest is stored. The answer comes when it is on the disk. Needs the role producer or owner; an event of an account that the token
        does not have is rejected.
      parameters:
        - {name: Idempotency-Key, in: header, schema: {type: string, minLength: 1, maxLength: 255}, description: "Within 24 hours the same body is stored once and answered alike; another body is refused (422)"}
        - {name: Content-Encoding, in: header, schema: {enum: [gzip, zstd, identity]}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              oneOf:
                - {$ref: "#/components/schemas/CanvasEvent"}
                - {type: array, items: {$ref: "#/components/schemas/CanvasEvent"}}
          application/x-ndjson: {schema: {type: string, description: An event a line}}
          application/json-seq: {schema: {type: string, description: "RFC 7464: RS in front of each event"}}
      responses:
        "200":
          description: What became of them; some were accepted, or there were none
          content: {application/json: {schema: {$ref: "#/components/schemas/EventsTaken"}}}
        "422":
          description: |
            There were events and none was accepted (type `urn:millrace:problem:none-accepted`, with the members of a 200), or the
            Idempotency-Key came with another body (type `urn:millrace:problem:idempotency-key-reused`).
          content:
            application/problem+json:
              schema:
                allOf: [{$ref: "#/components/schemas/Problem"}, {$ref: "#/components/schemas/EventsTaken"}]
        "508":
          description: One of this node's own data streams has sent it (header Millrace-Stream-Id)
          content: {application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/events/{id}:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: One event, and what became of it at each data stream
      responses:
        "200":
          description: The event
          content: {application/json: {schema: {$ref: "#/components/schemas/EventAndFate"}}}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/event_types:
    get:
      summary: Event types, by name - those of the catalogue, and others that were seen in the log
      description: "`seen` is counted over the newest batches of the log, and on from there while the node runs."
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
        - {name: format, in: query, schema: {enum: [canvas, caliper]}, description: "caliper: only those that have a Caliper form"}
      responses:
        "200":
          description: A page of event types
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties:
                  items: {type: array, items: {$ref: "#/components/schemas/EventType"}}
                  dropped: {type: integer, description: Events whose type is not listed, as their account has more made-up types than there is room for}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/event_types/{name}:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string}}
    get:
      summary: One event of the catalogue - when it is sent, its fields, an example in both formats
      responses:
        "200":
          description: The event
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/EventType"}]
                properties:
                  trigger: {type: string, description: When it is sent}
                  born: {enum: [system, user], description: "system: usually sent by a job"}
                  fields:
                    type: array
                    description: Of its body
                    items:
                      type: object
                      properties:
                        name: {type: string}
                        type: {type: string, description: "id, string, time, integer, number, boolean, array or object"}
                        nullable: {type: boolean}
                        described: {type: boolean, description: "false: Canvas sends it without describing it"}
                        meaning: {type: string}
                  example:
                    type: object
                    properties:
                      canvas: {$ref: "#/components/schemas/CanvasEvent"}
                      caliper: {type: [object, "null"]}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/event_types/drift:
    get:
      summary: Events and fields that came in and that the catalogue does not know
      description: |
        Since this node started, at most 1,000: when more come, the account that has most of them gives up its oldest. Events are all counted; the fields of at most 500 events a second are looked at. Needs a token
        of every account.
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: What was seen
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties:
                  items:
                    type: array
                    items:
                      type: object
                      properties:
                        event_type: {type: string}
                        field: {type: [string, "null"], description: "body.x or metadata.x; null: the event itself is unknown"}
                        count: {type: integer}
                        first_seen_at: {type: string, format: date-time}
                        last_seen_at: {type: string, format: date-time}
                        example: {type: object, properties: {event_id: {type: string, format: uuid}, account: {type: string}}}
                  not_listed: {type: integer, description: How many events stand in entries that were given up}
                  events_looked_at: {type: integer}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/dead_letters:
    get:
      summary: What was taken in and could not become an event, the newest first
      description: |
        A letter without an account is shown only to tokens of every account. 10,000 are kept, at most 64 MiB: when more come, the account
        that has most (or the access key, if it is good for several) loses its oldest, and `dropped` counts them.
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: A page of letters
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties:
                  items: {type: array, items: {$ref: "#/components/schemas/DeadLetter"}}
                  dropped: {type: integer, description: Letters of the token's accounts that were let go for lack of room}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/dead_letters/{id}:
    parameters:
      - {$ref: "#/components/parameters/id"}
    get:
      summary: One dead letter
      responses:
        "200":
          description: The letter
          content: {application/json: {schema: {$ref: "#/components/schemas/DeadLetter"}}}
        default: {$ref: "#/components/responses/Problem"}

  /api/v1/accounts:
    get:
      summary: Root accounts that are seen in the log or used by a stream or credential
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: A page of accounts
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties:
                  items:
                    type: array
                    items:
                      type: object
                      properties:
                        account: {type: string}
                        data_streams: {type: integer}
                        events_seen: {type: integer}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/tokens:
    get:
      summary: List tokens, the oldest first; never their secrets
      description: Role owner. Those that lie wholly within the accounts of the caller.
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: A page of tokens
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties: {items: {type: array, items: {$ref: "#/components/schemas/Token"}}}
        default: {$ref: "#/components/responses/Problem"}
    post:
      summary: Make a token
      description: |
        Role owner. The answer has the token itself, for the only time. A repeat with the same Idempotency-Key makes no second one, and is
        answered 409, as the secret is not kept.
      parameters:
        - {$ref: "#/components/parameters/idempotencyKey"}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [name, role, accounts]
              properties:
                name: {type: string, minLength: 1, maxLength: 255}
                role: {$ref: "#/components/schemas/Role"}
                accounts: {$ref: "#/components/schemas/Accounts"}
                expires_at: {type: [string, "null"], format: date-time, description: When it ends; by default never}
      responses:
        "201":
          description: The token
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Token"}]
                properties:
                  token: {type: string, pattern: "^mr_[A-Za-z0-9_-]{43}$"}
                  warnings: {type: array, items: {type: string}, description: "That it is good for every account; accounts of which nothing is known"}
        "409": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/tokens/{id}:
    parameters:
      - {$ref: "#/components/parameters/id"}
    delete:
      summary: Revoke a token
      description: |
        Role owner. Its record stays, marked as revoked. The last token that owns every account is not revoked (409): nobody could
        administer the node then.
      responses:
        "204": {description: Revoked}
        "409": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/access_keys:
    get:
      summary: List the keys that Kinesis producers sign with; never their secrets
      description: Role owner. Those that lie wholly within the accounts of the caller.
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: A page of access keys
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties: {items: {type: array, items: {$ref: "#/components/schemas/AccessKey"}}}
        default: {$ref: "#/components/responses/Problem"}
    post:
      summary: Make an access key
      description: |
        Role owner. The answer has the secret, for the only time; for repeats see tokens. A token of every account may give a pair that
        producers have already.
      parameters:
        - {$ref: "#/components/parameters/idempotencyKey"}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [accounts]
              properties:
                accounts: {$ref: "#/components/schemas/Accounts"}
                access_key_id: {type: string, pattern: "^[A-Za-z0-9_]{1,128}$"}
                secret_access_key: {type: string, minLength: 8, maxLength: 128, writeOnly: true}
              dependentRequired:
                access_key_id: [secret_access_key]
                secret_access_key: [access_key_id]
      responses:
        "201":
          description: The access key
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/AccessKey"}]
                properties: {secret_access_key: {type: string}}
        "409": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/access_keys/{id}:
    parameters:
      - {$ref: "#/components/parameters/id"}
    delete:
      summary: Revoke an access key
      description: Role owner. Its record stays, marked as revoked; its secret goes.
      responses:
        "204": {description: Revoked}
        "409": {$ref: "#/components/responses/Problem"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/signing_keys:
    get:
      summary: The keys that sign deliveries, the oldest first; never their private parts
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200": {$ref: "#/components/responses/SigningKeys"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/signing_keys/rotate:
    post:
      summary: Let the next key sign from now on, or withdraw one that has leaked
      description: Role owner, of every account.
      requestBody:
        required: false
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              properties:
                emergency: {type: string, description: kid of the key to withdraw at once}
                confirm: {type: boolean, description: "true: also within an hour of the last rotation, when receivers may not know the next key yet; else that is answered 409"}
      responses:
        "200": {$ref: "#/components/responses/SigningKeys"}
        default: {$ref: "#/components/responses/Problem"}
  /api/v1/audit:
    get:
      summary: Who changed what, the newest first
      description: Role owner. Lines that lie wholly within the accounts of the caller. No line holds a secret.
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {$ref: "#/components/parameters/after"}
      responses:
        "200":
          description: A page of lines
          content:
            application/json:
              schema:
                allOf: [{$ref: "#/components/schemas/Page"}]
                properties: {items: {type: array, items: {$ref: "#/components/schemas/AuditLine"}}}
        default: {$ref: "#/components/responses/Problem"}

components:
  securitySchemes:
    token: {type: http, scheme: bearer}

  parameters:
    id: {name: id, in: path, required: true, schema: {type: string}}
    limit: {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 1000, default: 100}}
    after: {name: after, in: query, schema: {type: string, maxLength: 512}, description: The `next` of the page before}
    ifMatch:
      name: If-Match
      in: header
      schema: {type: string}
      description: The ETag of what you have read; another version is answered 412. Without it the change is made to what is there.
    idempotencyKey:
      name: Idempotency-Key
      in: header
      schema: {type: string, minLength: 1, maxLength: 255}
      description: A repeat within 24 hours makes nothing new and is answered with what the first call made; with another body it is a 422.

  requestBodies:
    Nothing:
      required: false
      content: {application/json: {schema: {type: object, maxProperties: 0}}}

  responses:
    Problem:
      description: A refusal or a failure (RFC 9457)
      content: {application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}}
    Status:
      description: All is well
      content: {application/json: {schema: {type: object, properties: {status: {type: string}, note: {type: string, description: What an operator should know though all is well}}}}}
    DataStream:
      description: The data stream
      headers: {ETag: {schema: {type: string}}}
      content: {application/json: {schema: {$ref: "#/components/schemas/DataStream"}}}
    MadeDataStream:
      description: The new data stream
      headers:
        ETag: {schema: {type: string}}
        Location: {schema: {type: string}}
      content: {application/json: {schema: {$ref: "#/components/schemas/DataStream"}}}
    StoredDataStream:
      description: The change is stored, and true after any restart; its node does not work by it yet (it was waited for 5 s)
      headers:
        ETag: {schema: {type: string}}
        Location: {schema: {type: string}, description: Of a new one}
      content:
        application/json:
          schema:
            allOf:
              - {$ref: "#/components/schemas/DataStream"}
              - type: object
                required: [applied]
                properties: {applied: {type: boolean, const: false}}
    SigningKeys:
      description: A page of keys
      content:
        application/json:
          schema:
            allOf: [{$ref: "#/components/schemas/Page"}]
            properties: {items: {type: array, items: {$ref: "#/components/schemas/SigningKey"}}}

  schemas:
    Page:
      type: object
      required: [items, next]
      properties:
        items: {type: array}
        next: {type: [string, "null"]}
    EventsTaken:
      type: object
      properties:
        accepted: {type: integer}
        rejected:
          type: array
          items:
            type: object
            properties:
              index: {type: integer, description: "From 0, in the order of the body"}
              error: {type: string}
    Problem:
      type: object
      required: [type, title, status, detail]
      properties:
        type: {type: string}
        title: {type: string}
        status: {type: integer}
        detail: {type: string}
        errors:
          type: array
          items:
            type: object
            properties:
              field: {type: string, description: "A JSON pointer into the body, or the parameter with a question mark before it"}
              message: {type: string}
    Role: {enum: [owner, editor, viewer, producer]}
    Accounts:
      type: array
      minItems: 1
      maxItems: 100
      items: {type: string, minLength: 1, maxLength: 255}
      description: Root account uuids that the caller has; or ["*"], every account, which takes a token of every account
    StreamState: {enum: [active, holding, deactivated]}
    Delivery:
      type: object
      required: [method, url]
      properties:
        method: {enum: [https, sqs], description: "sqs: not taken yet by this version"}
        url: {type: string, maxLength: 2048}
        sign_payload: {type: boolean, default: false, description: Send a JWT signed with RS256 (https)}
        signed_body:
          enum: [raw, quoted, jwt]
          default: raw
          description: "How a JWT is sent: raw; in double quotes; or raw as application/jwt"
        region: {type: string, description: AWS region (sqs)}
        access_key_id: {type: string, description: (sqs)}
        secret_access_key: {type: string, writeOnly: true, description: "(sqs) accepted, sealed and never answered"}
        secret_access_key_set: {type: boolean, readOnly: true}
        tls:
          type: [object, "null"]
          additionalProperties: false
          description: (https) Of connections to this receiver; null removes all of it
          properties:
            ca_certificates: {type: [string, "null"], maxLength: 65536, description: PEM; authorities to trust beside the system's}
            client_certificate: {type: [string, "null"], maxLength: 65536, description: "PEM, leaf first; shown to a receiver that asks. One that has expired is taken, and is among the warnings of the stream's health"}
            client_key: {type: [string, "null"], maxLength: 65536, writeOnly: true, description: "PEM, without a pass phrase; accepted, sealed and never answered"}
            client_key_set: {type: boolean, readOnly: true}
    DataStreamFields:
      type: object
      properties:
        name: {type: string, minLength: 1, maxLength: 255}
        account: {type: string, description: "Root account uuid; \"*\": every account, which takes a token of every account"}
        format: {enum: [canvas, caliper], default: canvas, description: "caliper: IMS Caliper 1.1; event types without that form are refused by name, and passed over under *"}
        event_types:
          type: array
          items: {type: string}
          description: Names, or ["*"]
        delivery: {$ref: "#/components/schemas/Delivery"}
        headers:
          type: object
          additionalProperties: {type: [string, "null"]}
          description: Extra request headers. Values are accepted, sealed, and answered as null.
        breaker:
          enum: ["on", "off"]
          default: "on"
          description: "on: while the endpoint is down events wait; off: each event is tried four times and given up. It is kept, and has no effect in this version"
        retry: {const: canvas, default: canvas, description: The schedule of tries; a choice has no effect in this version}
        contact_email: {type: string, description: Who is told when the stream fails. It is kept; that mail is sent has no effect in this version}
        rate_limit: {type: [number, "null"], minimum: 0.1, maximum: 100000, description: "Tries a second, retries included; at once at most one second's worth. null: no limit"}
    DataStreamInput:
      allOf: [{$ref: "#/components/schemas/DataStreamFields"}]
      required: [name, account, event_types, delivery, contact_email]
      unevaluatedProperties: false
    DataStreamPatch:
      allOf: [{$ref: "#/components/schemas/DataStreamFields"}]
      unevaluatedProperties: false
    DataStream:
      allOf: [{$ref: "#/components/schemas/DataStreamFields"}]
      properties:
        id: {type: string, format: uuid}
        state: {$ref: "#/components/schemas/StreamState"}
        state_reason: {enum: [by_user, timeouts, errors, gone, null]}
        region: {type: [string, "null"]}
        version: {type: integer, description: The number in its ETag}
        created_at: {type: string, format: date-time}
        updated_at: {type: string, format: date-time}
        warnings:
          type: array
          items: {type: string}
          description: What is right but may surprise (a name that another stream has, an event type or account of which nothing is known); only in answers to POST and PATCH, where there are any
    DataStreams:
      allOf: [{$ref: "#/components/schemas/Page"}]
      properties: {items: {type: array, items: {$ref: "#/components/schemas/DataStream"}}}
    AttemptOutcome:
      type: object
      properties:
        event_type: {type: string}
        run: {enum: [live, redelivery, replay, test]}
        kind: {enum: [try, probe]}
        attempt: {type: integer, minimum: 1, maximum: 4}
        resent: {type: boolean, description: Sent again within the try, as the kept connection had gone}
        reused: {type: boolean}
        at: {type: string, format: date-time}
        outcome: {enum: [delivered, failed, waiting], description: "waiting: failed, and its run goes on"}
        class: {enum: [timeout, http, tls, connect, dns, protocol, sqs, own_side, null]}
        status: {type: [integer, "null"]}
        duration_ms: {type: number}
        address: {type: [string, "null"]}
        http_version: {enum: ["1.1", "2", null]}
        tls_version: {type: [string, "null"], description: "TLSv1.2 or TLSv1.3"}
        certificate:
          type: [object, "null"]
          description: What the receiver's certificate says of itself
          properties:
            subject: {type: string, description: "Its names, else its subject"}
            issuer: {type: string}
            valid_to: {type: string, format: date}
            sha256: {type: string, description: "Of the certificate, hexadecimal"}
        reason: {type: [string, "null"]}
        timing:
          type: object
          description: The length of each phase; 0 where it did not happen
          properties:
            dns_ms: {type: number}
            connect_ms: {type: number}
            tls_ms: {type: number}
            first_byte_ms: {type: number, description: From the request to the first byte of the answer}
            answer_ms: {type: number, description: From the request to the end of the answer's header block}
            body_ms: {type: number, description: "From there to the end of the body, or of what was read of it"}
        response:
          type: object
          properties:
            headers: {type: object, additionalProperties: {type: string}}
            body: {type: string}
    Attempt:
      allOf: [{$ref: "#/components/schemas/AttemptOutcome"}]
      properties:
        event_id: {type: string, format: uuid}
    Undelivered:
      type: object
      properties:
        event_id: {type: string, format: uuid}
        event_type: {type: string}
        account: {type: string}
        accepted_at: {type: string, format: date-time}
        failed_at: {type: string, format: date-time}
        class: {type: [string, "null"]}
        status: {type: [integer, "null"]}
        reason: {type: [string, "null"]}
        event: {type: object, description: With include=event}
    Used:
      type: object
      properties: {used: {type: integer}, limit: {type: integer}}
    CanvasEvent:
      type: object
      required: [body]
      properties:
        metadata: {type: object, description: "Or `attributes`, as Canvas sends it; with event_name and root_account_uuid"}
        attributes: {type: object}
        body: {type: object}
    EventType:
      type: object
      properties:
        name: {type: string}
        title: {type: [string, "null"]}
        category: {type: [string, "null"], description: "As Canvas groups events for selection; null: not in the catalogue"}
        caliper_category: {type: [string, "null"], description: "null: it has no Caliper form"}
        documented: {type: boolean, description: By Canvas}
        known: {type: boolean, description: It is in the catalogue}
        seen: {type: integer, description: Events of this type in the accounts of the token}
    StreamHealth:
      type: object
      properties:
        id: {type: string, format: uuid}
        state: {$ref: "#/components/schemas/StreamState"}
        state_reason: {type: [string, "null"]}
        waiting: {type: integer, description: "Selected and neither delivered nor given up, retries included"}
        retrying: {type: integer}
        in_flight: {type: integer}
        undelivered: {type: integer, description: Kept and listed}
        oldest_waiting_seconds: {type: [number, "null"], description: Since its acceptance}
        counters:
          type: object
          description: Since the stream was made
          properties:
            matched: {type: integer}
            delivered: {type: integer}
            undelivered: {type: integer}
            skipped: {type: integer, description: "Passed over: by an activation, or because the format has no form for them"}
            lost: {type: integer, description: Gone by retention before they were delivered}
        lost_from: {type: [string, "null"], description: Acceptance of the first that was lost}
        lost_to: {type: [string, "null"]}
        last_success_at: {type: [string, "null"]}
        last_failure_at: {type: [string, "null"]}
        last_failure_reason: {type: [string, "null"]}
        rate_limited: {type: boolean, description: "What waits, waits for the stream's own rate_limit"}
        warnings: {type: array, items: {type: string}, description: "What will fail, or does: a client certificate that has expired"}
        without_form: {type: integer, description: "Since this node started: not sent, as the format has no form for them or they lack what it needs"}
        format_findings: {type: integer, description: "Since this node started: findings of the check of the format (caliper.validate)"}
        format_refused: {type: integer, description: "Since this node started: not sent for such findings; they are undelivered"}
        error_budget:
          type: object
          description: Events whose tries were used up in the last 24 hours. They are counted; the limits have no effect in this version
          properties:
            window_hours: {type: integer}
            timeouts: {$ref: "#/components/schemas/Used"}
            errors: {$ref: "#/components/schemas/Used"}
    EventAndFate:
      type: object
      properties:
        id: {type: string, format: uuid}
        event_type: {type: string}
        account: {type: string}
        accepted_at: {type: string, format: date-time}
        event: {type: object, description: In Canvas form}
        data_streams:
          type: array
          maxItems: 200
          items:
            type: object
            properties:
              id: {type: string, format: uuid}
              name: {type: string}
              selects_now: {type: boolean, description: Whether its filter of today selects this type}
              attempts: {type: array, maxItems: 50, items: {$ref: "#/components/schemas/Attempt"}}
        more_data_streams: {type: boolean, description: There are more than are shown}
        more_attempts: {type: boolean, description: There may be more attempts than are shown}
    DeadLetter:
      type: object
      properties:
        id: {type: string}
        at: {type: string, format: date-time}
        source: {enum: [kinesis, json]}
        account: {type: [string, "null"]}
        reason: {type: string}
        payload: {type: string, description: As it came; cut at 64 KiB; what is not UTF-8 is replaced}
    Token:
      type: object
      properties:
        id: {type: string}
        name: {type: string}
        role: {$ref: "#/components/schemas/Role"}
        accounts: {type: array, items: {type: string}}
        created_at: {type: string, format: date-time}
        revoked: {type: boolean}
        expires_at: {type: [string, "null"], description: Good for nothing from then on}
        last_used_at: {type: [string, "null"], description: To the hour}
    AccessKey:
      type: object
      properties:
        access_key_id: {type: string}
        accounts: {type: array, items: {type: string}}
        created_at: {type: string, format: date-time}
        revoked: {type: boolean}
    SigningKey:
      type: object
      properties:
        kid: {type: string}
        state: {enum: [previous, current, next, retired, withdrawn]}
        published: {type: boolean, description: Whether it stands in the JWKS}
        created_at: {type: string, format: date-time}
        active_from: {type: string, format: date-time}
        withdrawn_at: {type: [string, "null"]}
    KeySet:
      type: object
      properties:
        keys:
          type: array
          items:
            type: object
            properties:
              kty: {const: RSA}
              e: {type: string}
              n: {type: string}
              alg: {const: RS256}
              use: {const: sig}
              kid: {type: string}
    AuditLine:
      type: object
      properties:
        id: {type: string, format: uuid}
        at: {type: string, format: date-time}
        by: {type: object, properties: {id: {type: string}, name: {type: string}}}
        action: {type: string, examples: [data_streams.update, tokens.revoke]}
        object: {type: string, description: Id of what was changed}
        name: {type: [string, "null"]}
        accounts: {type: array, items: {type: string}}
        changes:
          type: array
          items:
            type: object
            properties:
              field: {type: string}
              from: {description: Not told of what may be secret}
              to: {description: Not told of what may be secret}
)yaml";
// clang-format on

}  // namespace

std::string_view openapi_yaml() { return text; }

}  // namespace millrace::api
