// Shows the description of the API; where the service wants its token, asks for it first. The token
// stays in the memory of this page.
"use strict";

const ask = document.getElementById("ask");
const refused = document.getElementById("refused");

async function show(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/api/openapi.json", { headers });
  if (!answer.ok) {
    ask.hidden = answer.status !== 401;
    refused.textContent = token || answer.status !== 401 ? (await answer.json()).detail : "";
    return;
  }
  ask.hidden = true;
  const ui = SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: "#ui",
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
    onComplete: () => token && ui.preauthorizeApiKey("token", token),
  });
}

ask.addEventListener("submit", (event) => {
  event.preventDefault();
  show(document.getElementById("token").value.trim());
});

show("");
