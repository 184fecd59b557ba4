"""Unmodified AWS clients send: Debian's boto3 and awscli; wrong keys get AWS's own errors."""
import json
import subprocess

import boto3
import botocore.exceptions
from botocore.config import Config
from harness import *


def run(folder):
    server = Server(folder / "data").wait_ready()
    sink = Sink()
    server.add_stream(sink.url)
    key, secret = server.add_access_key()

    def client(key_id, secret_key, **settings):
        return boto3.client("kinesis", endpoint_url=server.url, region_name="eu-central-1", aws_access_key_id=key_id,
                            aws_secret_access_key=secret_key, config=Config(retries={"max_attempts": 1}, **settings))

    kinesis = client(key, secret)
    described = kinesis.describe_stream(StreamName="live-events", Limit=1)["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE" and len(described["Shards"]) == 1, described
    sent = [event(i) for i in range(600)]
    answer = kinesis.put_records(StreamName="live-events", Records=[{"Data": producer_form(*e).encode(), "PartitionKey": "1"} for e in sent[:500]])
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 500
    numbers = [int(r["SequenceNumber"]) for r in answer["Records"]]
    assert numbers == sorted(set(numbers)), "sequence numbers rise"
    kinesis.put_record(StreamName="live-events", Data=producer_form(*sent[500]).encode(), PartitionKey="1")
    kinesis.describe_stream_summary(StreamName="live-events")
    assert kinesis.list_streams()["StreamNames"] == ["live-events"]

    records = [{"Data": base64.b64encode(producer_form(*e).encode()).decode(), "PartitionKey": "k"} for e in sent[501:]]
    (folder / "records.json").write_text(json.dumps(records))
    environment = dict(os.environ, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_DEFAULT_REGION="us-east-1", HOME=str(folder.path))
    cli = subprocess.run(["/usr/bin/aws", "--endpoint-url", server.url, "kinesis", "put-records", "--stream-name", "live-events", "--records",
                          f"file://{folder / 'records.json'}"], env=environment, capture_output=True, text=True, check=False)
    assert cli.returncode == 0 and json.loads(cli.stdout)["FailedRecordCount"] == 0, cli.stderr

    wait_for("600 deliveries", lambda: len(sink.ids()) == 600)
    assert sorted(d["body"].decode() for d in sink.all()) == sorted(delivered_form(*e) for e in sent)

    for wrong, code in ((client(key, "x" * 40), "InvalidSignatureException"), (client("AKIAAAAAAAAAAAAAAAAA", secret), "UnrecognizedClientException")):
        try:
            wrong.put_records(StreamName="live-events", Records=[{"Data": b"{}", "PartitionKey": "1"}])
            raise AssertionError("a wrong key was accepted")
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == code, error
    try:
        kinesis.describe_stream(StreamName="nope")
        raise AssertionError("a stream that is not there was described")
    except kinesis.exceptions.ResourceNotFoundException:
        pass
    assert server.stop() == 0


story(run)
