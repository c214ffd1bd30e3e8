// What stands above a table: the search box, the choices, and how many rows are left.

const CHOICES = { family: "Family", weights: "Weights", recipe_kind: "Recipe", backend: "Backend" };
let fields = 0;

/** A section's toolbar; `filter(text, choices)` returns how many rows pass, `widen(all)` shows or hides columns. */
function toolbar(section, columns, filter, widen) {
  const total = section.rows.length;
  const count = h("p", { class: "count", role: "status" }, plural(total, "row"));
  const search = h("input", { type: "search", placeholder: "model, recipe, badge …", autocomplete: "off", input: apply });
  const choices = {};
  for (const key of Object.keys(CHOICES)) {
    const values = [...new Set(section.rows.map((row) => row[key]).filter(Boolean))].sort();
    if (values.length < 2) continue;
    choices[key] = h("select", { change: apply }, h("option", { value: "" }, "all"),
      values.map((value) => h("option", { value }, value)));
  }
  const reset = h("button", { type: "button", class: "quiet", click: clear, hidden: true }, "Clear");

  function apply() {
    const chosen = Object.fromEntries(Object.entries(choices).map(([key, select]) => [key, select.value]));
    const left = filter(search.value, chosen);
    count.textContent = left === total ? plural(total, "row") : `${grouped(left)} of ${plural(total, "row")}`;
    reset.hidden = !search.value && !Object.values(chosen).some(Boolean);
  }

  function clear() {
    search.value = "";
    for (const select of Object.values(choices)) select.value = "";
    apply();
    search.focus();
  }

  return h("div", { class: "tools" },
    field("Filter", search),
    Object.entries(choices).map(([key, select]) => field(CHOICES[key], select)),
    columns.some((column) => !column.first) ? columnSwitch(widen) : null,
    h("div", { class: "left" }, count, reset));
}

/** A control under its label. */
function field(label, control) {
  fields += 1;
  control.id = `field-${fields}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

function columnSwitch(widen) {
  const box = h("input", { type: "checkbox", change: () => widen(box.checked) });
  return h("label", { class: "check" }, box, "all columns");
}
