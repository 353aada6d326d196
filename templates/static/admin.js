// Every page is complete without this: it adds buttons that copy, and takes a form's second click away.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  // Only where there is a clipboard: over HTTPS or on this machine.
  button.hidden = !navigator.clipboard;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

function setDisabled(form, isDisabled) {
  for (const button of form.querySelectorAll("button:not([type=button])")) {
    button.disabled = isDisabled;
  }
}

for (const form of document.querySelectorAll("form[method=post]")) {
  // Afterwards: a button that is disabled already would not be sent.
  form.addEventListener("submit", () => setTimeout(() => setDisabled(form, true)));
}

// Back again, with the page as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    document.querySelectorAll("form[method=post]").forEach((form) => setDisabled(form, false));
  }
});
