(function () {
  "use strict";
  var root = document.documentElement;
  var table = document.getElementById("case-table");
  if (!table) { return; }
  root.classList.add("js");
  var rows = Array.prototype.slice.call(table.tBodies[0].rows);
  var text = document.getElementById("filter-text");
  var outcome = document.getElementById("filter-outcome");
  var mechanism = document.getElementById("filter-mechanism");
  var shown = document.getElementById("filter-shown");
  function apply() {
    var terms = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var count = 0;
    rows.forEach(function (row) {
      var data = row.dataset;
      var keep = (!outcome.value || data.outcome === outcome.value) &&
        (!mechanism.value || data.mechanism === mechanism.value) &&
        terms.every(function (term) { return data.words.indexOf(term) >= 0; });
      row.hidden = !keep;
      if (keep) { count += 1; }
    });
    shown.textContent = count === rows.length ? rows.length + " cases" : count + " of " + rows.length + " cases";
  }
  [text, outcome, mechanism].forEach(function (control) { control.addEventListener("input", apply); });
  apply();
}());
