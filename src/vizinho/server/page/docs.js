// Draws openapi.json: what can be asked for, with which parameters, and what comes back.
const make = (tag, text = "", className = "") => Object.assign(document.createElement(tag), { textContent: text, className });
const description = await (await fetch("/openapi.json")).json();

// The schema itself where it is only named.
function settled(schema, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 12) return schema;
  if (schema.$ref) return settled(schema.$ref.split("/").slice(1).reduce((at, name) => at?.[name], description), depth + 1);
  if (Array.isArray(schema)) return schema.map((one) => settled(one, depth + 1));
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, settled(value, depth + 1)]));
}

function kind(schema) {
  const real = settled(schema) ?? {};
  if (real.enum) return real.enum.join(", ");
  if (real.const !== undefined) return String(real.const);
  if (real.anyOf) return real.anyOf.map(kind).filter((name) => name !== "null").join(" or ");
  if (real.type === "array") return `list of ${kind(real.items)}`;
  return real.format ? `${real.type} (${real.format})` : real.type ?? "any";
}

function table(heads, rows) {
  const made = make("table");
  const head = made.createTHead().insertRow();
  head.append(...heads.map((text) => make("th", text)));
  const body = made.createTBody();
  for (const row of rows) body.insertRow().append(...row.map((text) => make("td", text ?? "")));
  const wide = make("div", "", "wide");
  wide.append(made);
  return wide;
}

function content(types = {}) {
  return Object.entries(types).flatMap(([type, { schema }]) => {
    const properties = settled(schema)?.properties;
    const shape = properties ? table(["field", "type", ""], Object.entries(properties).map(([name, value]) => [name, kind(value), settled(value).description])) : make("p", kind(schema));
    return [make("h3", type), shape];
  });
}

function operation(path, method, about) {
  const box = make("details", "", "operation");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path), ` ${about.description ?? about.summary}`);
  box.append(summary);
  if (about.parameters?.length) {
    const rows = about.parameters.map((one) => [one.name, one.in, kind(one.schema), one.description ?? one.schema?.description]);
    box.append(make("h3", "Parameters"), table(["name", "in", "type", ""], rows));
  }
  if (about.requestBody) box.append(make("h3", "Body"), make("p", about.requestBody.description ?? ""), ...content(about.requestBody.content));
  box.append(make("h3", "Answers"), table(["status", ""], Object.entries(about.responses).map(([status, { description: text }]) => [status, text])));
  box.append(...content(about.responses[200]?.content));
  return box;
}

const live = make("section", "", "operation");
live.append(
  make("h3", "WebSocket /v1/listen"),
  make("p", "Binary messages are audio; text messages are KeepAlive, Finalize and CloseStream. The server sends Results, SpeechStarted, UtteranceEnd, Metadata and Error. OpenAPI cannot describe it; docs/serving.md does."),
);
document.getElementById("about").textContent = description.info.description;
const list = Object.entries(description.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, about]) => operation(path, method, about)));
list[0].open = true;
document.getElementById("operations").append(...list, live);
