// Lets the browser and django-allauth's script talk about passkeys. Without JavaScript, or where
// the browser knows none, what is about passkeys stays hidden and every other way works.
"use strict";

(() => {
  if (!window.PublicKeyCredential) return;
  const ids = {
    add: "passkey",
    authenticate: "passkey",
    login: "passkey",
    credential: "credential",
    data: "passkey-options",
    passwordless: "id_passwordless",
  };
  for (const form of document.querySelectorAll("[data-passkey]")) {
    const credential = form.querySelector("[name=credential]");
    form.hidden = false;
    window.allauth.webauthn.forms[form.dataset.passkey]({ ids: { ...ids, credential: credential.id } });
  }
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const problem = document.querySelector("[data-passkey-problem]");
    problem.textContent = "No passkey was given. Try again, or sign in another way.";
  });
})();
