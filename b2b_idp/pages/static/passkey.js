// Web Authentication for the page's form: data-passkey says `get` or `create`, data-options holds the options as JSON
// (WebAuthn Level 3, 5.1.10); the answer goes back in the field `credential`, as JSON.
"use strict";

const form = document.querySelector("form[data-passkey]");
const progress = form.querySelector("[role=status]");
const problem = form.querySelector("[role=alert]");
const creating = form.dataset.passkey === "create";
let busy = false;

const SAY = {
  NotAllowedError: "Nothing was confirmed: it was cancelled, or took too long. You can try again.",
  AbortError: "Nothing was confirmed: it was cancelled. You can try again.",
  InvalidStateError: creating
    ? "This device or security key holds a passkey of yours for this place already. Please take another one."
    : "This device or security key could not be used just now. Please try again.",
  SecurityError: "Passkeys do not work at this web address. Please choose another way, and tell the person who invited you.",
  NotSupportedError: "This device cannot be used: it offers no passkeys of a kind that is accepted here.",
  ConstraintError: "This device cannot be used: it has no fingerprint, face or PIN set up to check that it is you.",
};
const NO_PASSKEYS = "This browser has no passkeys. Please choose another way, or use another browser.";
const OTHERWISE = "Your passkey could not be used. You can try again, or choose another way.";

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

function text(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function optionsOf(json) {
  const options = JSON.parse(json);
  const descriptors = (list) => (list || []).map((d) => ({ ...d, id: bytes(d.id) }));
  options.challenge = bytes(options.challenge);
  if (!creating) return { ...options, allowCredentials: descriptors(options.allowCredentials) };
  options.user = { ...options.user, id: bytes(options.user.id) };
  return { ...options, excludeCredentials: descriptors(options.excludeCredentials) };
}

function answerOf(credential) {
  const r = credential.response;
  const response = { clientDataJSON: text(r.clientDataJSON) };
  if (creating) {
    response.attestationObject = text(r.attestationObject);
    response.transports = r.getTransports ? r.getTransports() : [];
  } else {
    response.authenticatorData = text(r.authenticatorData);
    response.signature = text(r.signature);
    if (r.userHandle) response.userHandle = text(r.userHandle);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

function fail(sentence) {
  const said = document.createElement("p");
  said.className = "error";
  said.textContent = sentence;
  problem.replaceChildren(said);
}

async function ask(publicKey) {
  return creating ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (busy) return;
  problem.replaceChildren();
  if (!window.PublicKeyCredential) {
    fail(NO_PASSKEYS);
    return;
  }
  busy = true;
  progress.textContent = "Waiting for your device. Follow what it asks you.";
  try {
    form.elements.credential.value = answerOf(await ask(optionsOf(form.dataset.options)));
    progress.textContent = "Thank you, one moment.";
    form.submit();
  } catch (error) {
    progress.textContent = "";
    fail(SAY[error.name] || OTHERWISE);
  }
  busy = false;
});
