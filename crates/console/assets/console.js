// Keeps a page as things are: what has changed comes from control and takes the place of what was.
// Without it everything works, by loading the page again.
"use strict";

const local = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const withDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

// Moments are shown by the clock of whoever looks.
function tellTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toISOString();
    time.textContent = (at.toDateString() === today ? local : withDay).format(at);
  }
}

// A part that has the focus, or an open list in it, is left alone until it has not.
const waiting = new Map();
function put(name, html) {
  const part = document.getElementById(name);
  if (!part) return location.reload();
  if (part.contains(document.activeElement) || part.querySelector("details[open]")) {
    waiting.set(name, html);
    return;
  }
  waiting.delete(name);
  // Who has scrolled in what a program writes stays where they are; else the newest line is in sight.
  const before = new Map();
  for (const log of part.querySelectorAll(".log")) before.set(log.getAttribute("aria-label"), [atEnd(log), log.scrollTop]);
  part.innerHTML = html;
  for (const log of part.querySelectorAll(".log")) {
    const [end, top] = before.get(log.getAttribute("aria-label")) ?? [true, 0];
    log.scrollTop = end ? log.scrollHeight : top;
  }
  tellTimes(part);
}
function atEnd(log) {
  return log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
}
document.addEventListener("focusout", () => setTimeout(() => {
  for (const [name, html] of [...waiting]) put(name, html);
}));

function listen(address) {
  const stale = document.getElementById("stale");
  const events = new EventSource(address);
  events.addEventListener("open", () => { stale.hidden = true; });
  events.addEventListener("error", () => { stale.hidden = false; });
  events.addEventListener("part", (event) => {
    const { name, html } = JSON.parse(event.data);
    put(name, html);
  });
  // The page is made of other parts now, in whichever order they stand.
  events.addEventListener("parts", (event) => {
    const here = [...document.querySelectorAll("main > section")].map((part) => part.id);
    if (here.sort().join() !== JSON.parse(event.data).sort().join()) location.reload();
  });
  // Nobody is signed in any more, or it is not to be seen any more.
  events.addEventListener("again", () => location.reload());
}

tellTimes(document);
for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
if (document.body.dataset.live) listen(document.body.dataset.live);
