/* Show the claims that a reader asks for; the choice stands in the address, so that it can be passed on. */
"use strict";

(function () {
  var form = document.getElementById("claim-filter"), keys = ["paper", "verdict", "source"];
  var claims = Array.from(document.querySelectorAll("article.claim"));
  var texts = claims.map(function (claim) { return claim.textContent.toLowerCase(); });

  function filter() {
    var words = document.getElementById("claim-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    claims.forEach(function (claim, i) {
      var fits = keys.every(function (key) {
        var wanted = document.getElementById("claim-" + key).value;
        return !wanted || claim.dataset[key] === wanted;
      }) && words.every(function (word) { return texts[i].includes(word); });
      claim.hidden = !fits;
      shown += fits;
    });
    document.getElementById("claim-count").textContent = shown + (shown === 1 ? " claim" : " claims");
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  filter();
})();
