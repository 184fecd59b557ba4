// AWS's SDK v3 as it comes: it describes the stream, then puts the records of a file, many calls at a time.
// Usage: node kinesis_v3.mjs ENDPOINT RECORDS; keys in the environment. Prints what it was answered.
import { readFileSync } from "node:fs";
import { DescribeStreamCommand, KinesisClient, PutRecordCommand, PutRecordsCommand } from "@aws-sdk/client-kinesis";

const [endpoint, file] = process.argv.slice(2);
const client = new KinesisClient({ endpoint, region: "eu-central-1" });
const StreamName = "live-events";
const records = JSON.parse(readFileSync(file, "utf8")).map((text) => ({ Data: Buffer.from(text), PartitionKey: "1" }));

const described = await client.send(new DescribeStreamCommand({ StreamName, Limit: 1 }));
const calls = [];
for (let i = 0; i + 1 < records.length; i += 10)
  calls.push(client.send(new PutRecordsCommand({ StreamName, Records: records.slice(i, Math.min(i + 10, records.length - 1)) })));
const answers = await Promise.all(calls);
const last = await client.send(new PutRecordCommand({ StreamName, ...records.at(-1) }));

let refused = "";
const stranger = new KinesisClient({ endpoint, region: "eu-central-1", maxAttempts: 1,
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "x".repeat(40) } });
try {
  await stranger.send(new PutRecordCommand({ StreamName, ...records[0] }));
} catch (error) {
  refused = error.name;
}
console.log(JSON.stringify({
  status: described.StreamDescription.StreamStatus,
  handler: client.config.requestHandler.constructor.name,
  failed: answers.reduce((sum, answer) => sum + answer.FailedRecordCount, 0),
  taken: answers.reduce((sum, answer) => sum + answer.Records.length, 0) + (last.SequenceNumber ? 1 : 0),
  refused,
}));
client.destroy();
stranger.destroy();
