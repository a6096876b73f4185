// Mounts the app of this page. What Python needs to send values back goes along as a file.
const root = document.getElementById("root");
const app = await (await fetch(new URL("./app.json", import.meta.url))).json();

if (app.pyodideUrl === null) {
  const text = document.createElement("p");
  text.textContent =
    "This app runs in the browser, for which it needs Pyodide. Whoever runs Headrace can name a folder that has it in the setting PYODIDE_URL.";
  root.append(text);
} else {
  const { mount } = await import("../_stlite/stlite.js");
  const link = { submitUrl: new URL("./submit", import.meta.url).href, inputs: app.inputs };
  mount(
    {
      entrypoint: app.entrypoint,
      requirements: app.requirements,
      files: { ...app.files, [app.linkPath]: JSON.stringify(link) },
      pyodideUrl: app.pyodideUrl,
    },
    root,
  );
}
