"use strict";
// Puts what is new into the page. Without this script the page is as it was when it was loaded.
const feed = document.getElementById("feed");
const source = new EventSource("events");
let silence;

source.onmessage = (event) => {
  clearTimeout(silence);
  feed.textContent = "";
  const now = document.querySelector("main");
  const next = new DOMParser().parseFromString(event.data, "text/html").querySelector("main");
  const parts = [...next.querySelectorAll("[id]")];
  const ids = (main) => [...main.querySelectorAll("[id]")].map((part) => part.id).join(" ");
  if (ids(now) !== ids(next)) {
    now.replaceWith(next);
    return;
  }
  for (const part of parts) {
    const old = document.getElementById(part.id);
    if (old.outerHTML !== part.outerHTML) {
      old.replaceWith(part);
    }
  }
};

// The agent ends a connection now and then; the browser makes another one.
source.onerror = () => {
  clearTimeout(silence);
  silence = setTimeout(() => {
    feed.textContent = "The agent does not answer. This is how it was last.";
  }, 10000);
};
