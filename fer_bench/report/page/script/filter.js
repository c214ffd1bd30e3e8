// The toolbar of a table: search box, filters, and the number of matching rows.

const FILTERS = { family: "Family", weights: "Weights", recipe_kind: "Recipe", backend: "Backend" };
let numFields = 0;

/** A section's toolbar. `filter(text, values)` returns the number of matching rows; `showAll(checked)` sets the columns. */
function toolbar(section, columns, filter, showAll) {
  const total = section.rows.length;
  const count = h("p", { class: "count", role: "status" }, plural(total, "row"));
  const search = h("input", { type: "search", placeholder: "model, recipe, badge …", autocomplete: "off", input: apply });
  const selects = {};
  for (const key of Object.keys(FILTERS)) {
    const values = [...new Set(section.rows.map((row) => row[key]).filter(Boolean))].sort();
    if (values.length < 2) continue;
    selects[key] = h("select", { change: apply }, h("option", { value: "" }, "all"),
      values.map((value) => h("option", { value }, value)));
  }
  const reset = h("button", { type: "button", class: "secondary", click: clear, hidden: true }, "Clear");

  function apply() {
    const values = Object.fromEntries(Object.entries(selects).map(([key, select]) => [key, select.value]));
    const matching = filter(search.value, values);
    count.textContent = matching === total ? plural(total, "row") : `${formatCount(matching)} of ${plural(total, "row")}`;
    reset.hidden = !search.value && !Object.values(values).some(Boolean);
  }

  function clear() {
    search.value = "";
    for (const select of Object.values(selects)) select.value = "";
    apply();
    search.focus();
  }

  return h("div", { class: "toolbar" },
    field("Filter", search),
    Object.entries(selects).map(([key, select]) => field(FILTERS[key], select)),
    columns.some((column) => !column.first) ? columnSwitch(showAll) : null,
    h("div", { class: "matches" }, count, reset));
}

/** A control with its label. */
function field(label, control) {
  numFields += 1;
  control.id = `field-${numFields}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

function columnSwitch(showAll) {
  const box = h("input", { type: "checkbox", change: () => showAll(box.checked) });
  return h("label", { class: "check" }, box, "all columns");
}
