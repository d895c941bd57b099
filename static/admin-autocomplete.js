// Names for the boxes that select2 puts in the place of a select, which have none by themselves.
"use strict";

const nameBoxes = () => {
  for (const select of document.querySelectorAll("select.admin-autocomplete[id]")) {
    const label = document.querySelector(`label[for="${select.id}"]`);
    const name = label?.textContent.trim().replace(/:$/, "");
    const box = select.nextElementSibling?.querySelector("[role=combobox]");
    if (!name || !box) continue;
    box.removeAttribute("aria-labelledby");
    box.setAttribute("aria-label", name);
    box.querySelector("[role=textbox]")?.setAttribute("aria-label", name);
  }
};

// jQuery keeps the order: the boxes are made by what was registered before.
addEventListener("load", () => django.jQuery(nameBoxes));
