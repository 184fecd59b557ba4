// AWS's SDK v2 as it comes. Usage and answer as kinesis_v3.mjs.
import { readFileSync } from "node:fs";
import AWS from "aws-sdk";

const [endpoint, file] = process.argv.slice(2);
const client = new AWS.Kinesis({ endpoint, region: "eu-central-1" });
const StreamName = "live-events";
const records = JSON.parse(readFileSync(file, "utf8")).map((text) => ({ Data: Buffer.from(text), PartitionKey: "1" }));

const described = await client.describeStream({ StreamName, Limit: 1 }).promise();
const calls = [];
for (let i = 0; i + 1 < records.length; i += 10)
  calls.push(client.putRecords({ StreamName, Records: records.slice(i, Math.min(i + 10, records.length - 1)) }).promise());
const answers = await Promise.all(calls);
const last = await client.putRecord({ StreamName, ...records.at(-1) }).promise();

let refused = "";
const stranger = new AWS.Kinesis({ endpoint, region: "eu-central-1", maxRetries: 0, secretAccessKey: "x".repeat(40),
  accessKeyId: process.env.AWS_ACCESS_KEY_ID });
try {
  await stranger.putRecord({ StreamName, ...records[0] }).promise();
} catch (error) {
  refused = error.code;
}
console.log(JSON.stringify({
  status: described.StreamDescription.StreamStatus,
  handler: "v2",
  failed: answers.reduce((sum, answer) => sum + answer.FailedRecordCount, 0),
  taken: answers.reduce((sum, answer) => sum + answer.Records.length, 0) + (last.SequenceNumber ? 1 : 0),
  refused,
}));
