// Talks to the server at the address given, as an application would, and prints what it saw as JSON.
import OpenAI from "openai";

const [baseURL, apiKey, embedder] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "What does Fjell 9 weigh?" }];
const seen = {};

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);

const whole = await client.chat.completions.create({ model: "rag", messages });
seen.whole = whole.choices[0].message.content;
seen.usage = whole.usage;
seen.citation = whole.acclimate.citations[0].path;

const stream = await client.chat.completions.create({
  model: "rag",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
seen.streamed = "";
for await (const chunk of stream) {
  seen.streamed += chunk.choices[0]?.delta.content ?? "";
  seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
  seen.streamedUsage = chunk.usage ?? seen.streamedUsage;
}

const helper = client.chat.completions.stream({ model: "rag", messages });
seen.helped = await helper.finalContent();

const odd = await client.chat.completions.create({
  model: "rag",
  messages: [{ role: "developer", content: "Be brief." }, ...messages],
  max_tokens: null,
  max_completion_tokens: -1,
  seed: -1,
  top_p: 0,
  temperature: null,
  stop: null,
  n: null,
  tools: [],
  tool_choice: "auto",
  response_format: { type: "text" },
  stream_options: null,
});
seen.odd = odd.choices[0].message.content;

const embedded = await client.embeddings.create({ model: embedder, input: ["one", "two"] });
seen.dimensions = embedded.data.map((row) => row.embedding.length);

const failures = {
  model: () => client.chat.completions.create({ model: "no-such", messages }),
  tools: () => client.chat.completions.create({ model: "rag", messages, tools: [{ type: "function", function: { name: "f" } }] }),
  key: () => new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list(),
};
seen.errors = {};
for (const [name, call] of Object.entries(failures)) {
  try {
    await call();
    seen.errors[name] = "none";
  } catch (error) {
    seen.errors[name] = [error.constructor.name, error.status, error.code, error.param];
  }
}
console.log(JSON.stringify(seen));
