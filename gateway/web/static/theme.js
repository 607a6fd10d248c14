// Dark, light, night (red on black, for eyes that are used to the dark), or as the device has it.
const THEMES = ["auto", "dark", "light", "night"];
const WORDS = { auto: "Theme: as the device", dark: "Theme: dark", light: "Theme: light", night: "Theme: night red" };
const ICONS = { auto: "i-auto", dark: "i-moon", light: "i-sun", night: "i-eye" };

function kept() {
  try {
    const name = localStorage.getItem("theme");
    return THEMES.includes(name) ? name : "auto";
  } catch {
    return "auto"; // storage may be switched off
  }
}

export function initTheme(button) {
  let theme = kept();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    if (button) {
      button.setAttribute("aria-label", WORDS[theme]);
      button.title = WORDS[theme];
      button.querySelector("use").setAttribute("href", `#${ICONS[theme]}`);
    }
  };
  apply();
  button?.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // then it lasts as long as the page
    }
    apply();
  });
}
