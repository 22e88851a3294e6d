// What a page does beyond links and forms. Every page works without it.
"use strict";

(function () {
  const leaves = ["mouseleave", "focusout"];

  // A list that changes is not moved under the hand of whoever reads it: a new version waits until they look up.
  function isRead(list) {
    return list.matches(":hover") || list.contains(document.activeElement) || window.scrollY > 0 || !getSelection().isCollapsed;
  }

  function note(list, isWaiting) {
    const hint = document.getElementById(list.dataset.hint || "");
    if (hint) hint.hidden = !isWaiting;
  }

  document.addEventListener("htmx:confirm", function (event) {
    const list = event.target;
    if (!(list instanceof Element) || !list.matches("[data-calm]")) return;
    const trigger = event.detail.triggeringEvent;
    if (trigger && String(trigger.type).startsWith("sse:") && isRead(list)) {
      event.preventDefault();
      list.dataset.waiting = "1";
      note(list, true);
    } else {
      delete list.dataset.waiting;
      note(list, false);
    }
  });

  function looksUp() {
    for (const list of document.querySelectorAll("[data-calm][data-waiting]")) {
      if (!isRead(list)) htmx.trigger(list, "refresh");
    }
  }
  for (const name of leaves) document.addEventListener(name, () => setTimeout(looksUp, 200), true);
  document.addEventListener("scroll", looksUp, { passive: true });

  // Nothing is sent to a page that nobody sees.
  const sources = new Set();
  function connect(url) {
    const source = new EventSource(url);
    sources.add(source);
    return source;
  }
  document.addEventListener("DOMContentLoaded", function () {
    if (window.htmx) htmx.createEventSource = connect;
  });
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) {
      for (const source of sources) source.close();
      sources.clear();
    } else if (!sources.size) {
      for (const element of document.querySelectorAll("[sse-connect]")) htmx.trigger(element, "htmx:afterProcessNode");
    }
  });

  // `/` goes to the search, as in most tools; an element with data-copy gives its text to the clipboard.
  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]")) return;
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  document.addEventListener("click", function (event) {
    const button = event.target instanceof Element && event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) return;
    navigator.clipboard.writeText(button.dataset.copy).then(function () {
      button.dataset.copied = "1";
      setTimeout(() => delete button.dataset.copied, 1200);
    });
  });

  // A form of filters is sent as soon as a choice is made; without this there is its button.
  document.addEventListener("change", function (event) {
    const form = event.target instanceof Element && event.target.closest("form[data-eager]");
    if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
  });
  document.addEventListener("submit", function (event) {
    // Fields that ask for nothing stay out of the address.
    if (!event.target.matches("form[data-eager]")) return;
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
    setTimeout(() => { for (const field of event.target.elements) field.disabled = false; });
  });
})();
