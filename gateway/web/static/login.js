// Gives the token to the station once; the browser then has a session that scripts cannot read.
import { initTheme } from "./theme.js";

initTheme(null);
const form = document.getElementById("login");
const field = document.getElementById("token");
const problem = document.getElementById("problem");

async function tryToken(token) {
  problem.textContent = "";
  try {
    const answer = await fetch("/login", { method: "POST", body: new URLSearchParams({ token }) });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    const told = await answer.json().catch(() => ({}));
    problem.textContent = told.error || `refused (${answer.status})`;
  } catch {
    problem.textContent = "the station does not answer";
  }
  field.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  tryToken(field.value);
});

// A link or a QR code may carry the token behind "#", which stays in the browser.
const carried = decodeURIComponent(location.hash.slice(1));
if (carried) {
  history.replaceState(null, "", location.pathname);
  tryToken(carried);
} else {
  // Here by a link from another site: the session was not sent along, but it is there.
  fetch("/api/snapshot").then((answer) => {
    if (answer.status !== 401) location.replace("/");
  }).catch(() => {});
}
