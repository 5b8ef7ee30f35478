"use strict";
// Talks to the same API as any other client. Text from the server is only ever set as text, never as markup.

const byId = (id) => document.getElementById(id);
const facts = document.body.dataset;
const reasons = Object.fromEntries([...byId("reasons").querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]));
let turns = [];
let open = null;

function reasonFor({ action, intent, rule }) {
  if (action === "allow") return "";
  if (action === "safe_complete") return reasons[action];
  return reasons[rule] || reasons[intent] || reasons[rule.split(".")[0]] || reasons.other;
}

function say(text, isBad = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", isBad);
}

function addQuestion(text) {
  const box = document.createElement("article");
  box.className = "turn user";
  const head = document.createElement("h2");
  head.className = "unseen";
  head.textContent = "You";
  const words = document.createElement("p");
  words.className = "text";
  words.textContent = text;
  box.append(head, words);
  byId("talk").append(box);
  return box;
}

function addReply(question) {
  const box = byId("reply").content.firstElementChild.cloneNode(true);
  box.setAttribute("aria-busy", "true"); // a screen reader waits for the whole
  box.querySelector("[name=question]").value = question;
  box.querySelector(".report").hidden = true;
  byId("talk").append(box);
  return box;
}

function showDecision(box, decision) {
  box.classList.toggle("urgent", decision.action === "crisis" || decision.action === "emergency");
  const why = reasonFor(decision);
  box.querySelector(".why").hidden = why === "";
  box.querySelector(".reason").textContent = why;
  box.querySelector(".rule").textContent = decision.rule;
  const list = box.querySelector(".sources ol");
  list.replaceChildren(...(decision.sources || []).map(sourceItem));
  box.querySelector(".sources").hidden = list.children.length === 0;
}

// The first line of an urgent reply is the number to call.
function emphasise(text) {
  const [first, ...rest] = text.textContent.split("\n");
  const line = document.createElement("strong");
  line.textContent = first;
  text.replaceChildren(line, rest.length ? `\n${rest.join("\n")}` : "");
}

function sourceItem({ id, source, license, url }) {
  const item = document.createElement("li");
  if (/^https?:/.test(url)) {
    const link = document.createElement("a");
    Object.assign(link, { href: url, rel: "noopener noreferrer", target: "_blank", textContent: source });
    item.append(link, `, ${license} (${id})`);
  } else item.append(`${source}, ${license} (${id})`);
  return item;
}

// Server-sent events from a response body; an event may arrive in pieces.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ") && part !== "data: [DONE]") yield JSON.parse(part.slice(6));
    }
  }
}

async function ask(question) {
  const asked = addQuestion(question);
  const messages = [...turns, { role: "user", content: question }].slice(-facts.maxTurns);
  if (messages[0].role !== "user") messages.shift(); // many models take no conversation that begins with an answer
  const headers = { "Content-Type": "application/json", "X-Consent-Version": facts.version };
  const body = JSON.stringify({ model: facts.model, messages, stream: true });
  const response = await fetch("/v1/chat/completions", { method: "POST", headers, body, signal: open.signal });
  if (!response.ok) {
    asked.remove(); // the question stays in the form
    throw new Error((await response.json()).error.message);
  }
  const box = addReply(question);
  const text = box.querySelector(".text");
  try {
    for await (const event of eventsOf(response)) {
      if (event.error) throw new Error(event.error.message);
      box.querySelector("[name=request]").value = event.id;
      if (event.osler) showDecision(box, event.osler);
      if (event.choices.length > 0) text.textContent += event.choices[0].delta.content || "";
    }
    turns = [...messages, { role: "assistant", content: text.textContent }];
  } finally {
    box.removeAttribute("aria-busy");
    box.querySelector("[name=answer]").value = text.textContent;
    box.querySelector(".report").hidden = text.textContent === "";
    if (box.classList.contains("urgent")) emphasise(text);
    if (text.textContent === "") box.remove();
    else box.scrollIntoView({ block: box.classList.contains("urgent") ? "start" : "nearest" });
  }
}

async function submit(event) {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question || open) return;
  open = new AbortController();
  byId("empty").hidden = true;
  byId("send").disabled = true;
  byId("stop").hidden = false;
  byId("question").value = "";
  say("Writing an answer …");
  try {
    await ask(question);
    say("");
  } catch (error) {
    if (error.name !== "AbortError" && !byId("question").value) byId("question").value = question;
    if (error.name === "AbortError") say("Stopped.");
    else say(error instanceof TypeError ? "The server cannot be reached." : error.message, true);
  } finally {
    open = null;
    byId("send").disabled = false;
    const hadFocus = document.activeElement === byId("stop");
    byId("stop").hidden = true;
    if (hadFocus) byId("question").focus();
  }
}

async function report(event) {
  event.preventDefault();
  const form = event.target;
  const fields = Object.fromEntries(new FormData(form));
  fields.send_text = fields.send_text === "true";
  if (!fields.send_text) for (const name of ["question", "answer"]) delete fields[name];
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/report", { method: "POST", headers, body: JSON.stringify(fields) });
  const sent = form.parentElement.querySelector(".sent");
  sent.textContent = response.ok ? "Thank you. Your report was kept." : "The report could not be sent.";
  form.hidden = response.ok;
}

byId("ask").addEventListener("submit", submit);
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
byId("stop").addEventListener("click", () => open && open.abort());
byId("talk").addEventListener("submit", report);
byId("fresh").addEventListener("click", (event) => {
  event.preventDefault();
  if (open) open.abort();
  turns = [];
  for (const box of byId("talk").querySelectorAll(".turn")) box.remove();
  byId("empty").hidden = false;
  say("");
  byId("question").value = "";
  byId("question").focus();
});
