// The console's own script: the menu on small screens, and commands that are copied by a button.
// Everything works without it.
"use strict";

(() => {
  const menuButton = document.querySelector(".menu-button");
  const menu = document.getElementById("navigation");
  if (menuButton && menu) {
    const open = (shown) => {
      menuButton.setAttribute("aria-expanded", String(shown));
      menu.classList.toggle("open", shown);
    };
    menuButton.addEventListener("click", () => open(menuButton.getAttribute("aria-expanded") !== "true"));
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        open(false);
        menuButton.focus();
      }
    });
  }

  // What was just done is said once: not again when the page is reloaded, or returned to.
  const address = new URL(location.href);
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  // Buttons that copy a command are shown where a script runs, and outlive a refresh of their region.
  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });
})();
