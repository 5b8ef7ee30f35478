"use strict";
// One card at a time. A save goes into this browser first and then to the server, and stays here until the server confirms it.
// Text from the server is only ever set as text, never as markup.

const byId = (id) => document.getElementById(id);
const RETRY_MS = 3000;
const TYPING_MS = 500;
let deck = null; // {review, person, rubric, cards: [{card, question, answer}]}
let ratings = {}; // by card, the newest
let pending = {}; // by card, not yet confirmed
let place = 0; // in deck.cards
let sending = false;
let isAway = false;
let refused = "";
let seenSince = 0;
let typing = 0;

const kept = {
  read: (name) => JSON.parse(localStorage.getItem(`osler-review:${name}`) || "null"),
  write: (name, value) => localStorage.setItem(`osler-review:${name}`, JSON.stringify(value)),
};
const own = (name) => `${deck.review}:${deck.person}:${name}`;
const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const blank = (card) => ({ card, seq: 0, scores: {}, helpful: "", comment: "", correction: "", seconds: 0 });
const ratingOf = (card) => ratings[card] || blank(card);
const names = () => deck.rubric.criteria.map((criterion) => criterion.name);
const isDone = (card) => {
  const rating = ratingOf(card);
  return rating.helpful !== "" && names().every((name) => name in rating.scores);
};
const nDone = () => deck.cards.filter(({ card }) => isDone(card)).length;

async function begin() {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
  try {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) {
      await post("/api/enter", { token });
      history.replaceState(null, "", "/");
    }
    const reply = await fetch("/api/deck");
    if (!reply.ok) return show("out");
    take(await reply.json());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const last = kept.read("last"); // the server is away; go on with what this browser has
    if (!last) return show("out");
    take({ ...kept.read(`${last}:deck`), ratings: [] }, true);
  }
  buildFields();
  place = Math.max(0, deck.cards.findIndex(({ card }) => !isDone(card)));
  if (deck.cards.length === 0) finish("No cards wait for you now. Please come back later.");
  else if (nDone() === deck.cards.length) finish();
  else render();
  setInterval(send, RETRY_MS);
  send();
}

function take(given, isAway = false) {
  deck = given;
  const mine = kept.read(own("ratings")) || {};
  pending = kept.read(own("pending")) || {};
  ratings = isAway ? mine : {};
  for (const rating of deck.ratings) ratings[rating.card] = rating;
  for (const card of Object.keys(pending)) {
    if (pending[card].seq > ratingOf(card).seq) ratings[card] = pending[card];
    else if (!isAway) delete pending[card];
  }
  kept.write("last", `${deck.review}:${deck.person}`);
  kept.write(own("deck"), { ...deck, ratings: [] });
  keep();
}

function keep() {
  kept.write(own("pending"), pending);
  kept.write(own("ratings"), ratings);
}

async function send() {
  if (sending || document.body.dataset.left) return;
  sending = true;
  isAway = false;
  refused = "";
  for (const rating of Object.values(pending)) {
    try {
      const reply = await post("/api/ratings", rating);
      if (!reply.ok) refused = reply.status === 401 ? "open your link again" : `the server refused card ${rating.card}`;
      else if (pending[rating.card] && pending[rating.card].seq === rating.seq) delete pending[rating.card];
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      isAway = true;
      break;
    }
  }
  kept.write(own("pending"), pending);
  sending = false;
  tell();
  if (!isAway && !refused && Object.keys(pending).length) send();
}

function tell() {
  const n = Object.keys(pending).length;
  const kind = n === 1 ? "1 card is" : `${n} cards are`;
  let text = n ? "Saving." : "All saved.";
  if (n && refused) text = `Not saved (${refused}). ${kind} kept in this browser.`;
  else if (n && isAway) text = `No connection. ${kind} kept in this browser and will be sent.`;
  const status = byId("status");
  const isTrouble = n > 0 && (isAway || refused !== "");
  // A screen reader hears of trouble and of its end, not of every save.
  status.ariaLive = isTrouble || status.classList.contains("offline") ? "polite" : "off";
  status.classList.toggle("offline", isTrouble);
  if (status.textContent !== text) status.textContent = text;
  byId("clear").disabled = n > 0;
}

function change(edit) {
  const { card } = deck.cards[place];
  const now = Date.now();
  const rating = structuredClone(ratingOf(card));
  edit(rating);
  rating.seq += 1;
  rating.seconds += Math.round((now - seenSince) / 1000);
  seenSince = now;
  ratings[card] = rating;
  pending[card] = rating;
  keep();
  count();
  tell(); // "All saved." and the button that clears this browser must not outlive what they stand for
  send();
}

function element(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function choice(group, value, text, more, className = "") {
  const label = element("label", "", className);
  const input = element("input");
  Object.assign(input, { type: "radio", name: group, value });
  const face = element("span", text, "face");
  label.append(input, face);
  if (more) label.append(element("span", more, "unseen"));
  return label;
}

function field(name, title, question, choices) {
  const set = element("fieldset");
  set.dataset.name = name;
  const legend = element("legend", title);
  if (question) legend.append(element("span", ` ${question}`));
  const row = element("div", "", "choices");
  row.append(...choices);
  set.append(legend, row);
  set.addEventListener("change", (event) => {
    const { value } = event.target;
    change((rating) => {
      if (name === "helpful") rating.helpful = value;
      else rating.scores[name] = Number(value);
    });
  });
  return set;
}

function buildFields() {
  const cannot = (name) => choice(name, name === "helpful" ? "cannot" : "0", "Cannot judge", "", "cannot");
  for (const { name, question, anchors } of deck.rubric.criteria) {
    const scores = [1, 2, 3, 4, 5].map((score) => choice(name, String(score), String(score), anchors[score]));
    const set = field(name, name[0].toUpperCase() + name.slice(1).replaceAll("_", " "), question, [...scores, cannot(name)]);
    const words = element("p", "", "anchors");
    words.setAttribute("aria-hidden", "true"); // the choices say it themselves
    words.append(...[1, 3, 5].map((score) => element("span", `${score} ${anchors[score]}`)));
    set.append(words);
    byId("fields").append(set);
  }
  const answers = [choice("helpful", "yes", "Yes"), choice("helpful", "no", "No"), cannot("helpful")];
  byId("fields").append(field("helpful", "Helpful", deck.rubric.helpful, answers));
}

function show(id) {
  for (const part of ["work", "done", "out"]) byId(part).hidden = part !== id;
  byId("where").hidden = id === "out";
}

function count() {
  const n = deck.cards.length;
  byId("count").textContent = n ? `Card ${place + 1} of ${n}, ${nDone()} done` : "No cards";
  byId("bar").max = Math.max(n, 1);
  byId("bar").value = nDone();
}

function render() {
  const { card, question, answer } = deck.cards[place];
  const rating = ratingOf(card);
  show("work");
  byId("question").textContent = question;
  byId("answer").textContent = answer.trim() ? answer : "(The answer has no text.)";
  for (const set of byId("fields").children) {
    const { name } = set.dataset;
    const value = name === "helpful" ? rating.helpful : String(rating.scores[name] ?? "");
    for (const input of set.querySelectorAll("input")) input.checked = input.value === value;
  }
  byId("comment").value = rating.comment;
  byId("correction").value = rating.correction;
  byId("words").open = rating.comment !== "" || rating.correction !== "";
  byId("back").disabled = place === 0;
  seenSince = Date.now();
  count();
  const head = byId("card");
  head.setAttribute("aria-label", `Question, card ${place + 1} of ${deck.cards.length}`);
  scrollTo(0, 0);
  document.querySelector("article").scrollTop = 0;
  head.focus({ preventScroll: true });
}

function finish(words = "All cards are rated. Thank you.") {
  byId("thanks").textContent = words;
  byId("again").hidden = deck.cards.length === 0;
  show("done");
  count();
  byId("thanks").focus();
}

function saveWords() {
  clearTimeout(typing);
  if (!deck || byId("work").hidden) return;
  const comment = byId("comment").value;
  const correction = byId("correction").value;
  const before = ratingOf(deck.cards[place].card);
  if (comment !== before.comment || correction !== before.correction) change((rating) => Object.assign(rating, { comment, correction }));
}

function go(to) {
  saveWords();
  if (to >= deck.cards.length) {
    const open = deck.cards.findIndex(({ card }) => !isDone(card));
    if (open < 0) return finish();
    to = open;
  }
  place = Math.max(0, to);
  render();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("work").hidden) return;
  if (event.target.tagName === "TEXTAREA") {
    if (event.key === "Escape") byId("next").focus();
    return;
  }
  if (!byId("keys").checked) return;
  const sets = [...byId("fields").children];
  const isOpen = (set) => !set.querySelector("input:checked");
  const helpful = { y: "yes", n: "no" }[event.key];
  let set = helpful ? sets.at(-1) : event.target.closest("fieldset") || sets.find(isOpen);
  let value = helpful || (/^[0-5]$/.test(event.key) ? event.key : "");
  if (event.key === "Enter" && !event.target.closest("button, summary, a")) {
    event.preventDefault();
    go(place + 1);
  } else if (event.key === "Backspace") {
    event.preventDefault();
    go(place - 1);
  } else if (event.key === "c") {
    event.preventDefault();
    byId("words").open = true;
    byId("comment").focus();
  } else if (value && set) {
    if (set.dataset.name === "helpful" && value === "0") value = "cannot";
    const input = set.querySelector(`input[value="${value}"]`);
    if (!input) return;
    event.preventDefault();
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    const next = sets.find(isOpen);
    (next ? next.querySelector("input") : byId("next")).focus();
  }
}

async function leave() {
  if (Object.keys(pending).length) return tell();
  document.body.dataset.left = "yes"; // from here on nothing is kept again
  try {
    await post("/api/leave", {});
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    delete document.body.dataset.left; // the link could not be given back, so it stays
    byId("status").textContent = "No connection. Nothing was cleared; try again.";
    return;
  }
  for (const name of Object.keys(localStorage)) if (name.startsWith("osler-review:")) localStorage.removeItem(name);
  for (const name of await caches.keys()) await caches.delete(name);
  for (const worker of await navigator.serviceWorker.getRegistrations()) await worker.unregister();
  show("out");
}

for (const id of ["comment", "correction"]) {
  byId(id).addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(saveWords, TYPING_MS);
  });
  byId(id).addEventListener("blur", saveWords);
}
byId("rate").addEventListener("submit", (event) => {
  event.preventDefault();
  go(place + 1);
});
byId("back").addEventListener("click", () => go(place - 1));
byId("again").addEventListener("click", () => go(0));
byId("clear").addEventListener("click", leave);
document.addEventListener("keydown", onKey);
addEventListener("online", send);
addEventListener("pagehide", saveWords);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") seenSince = Date.now();
});
begin();
