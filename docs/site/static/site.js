/* Slides: sections of second level, one at a time and as large as the window. */
"use strict";

document.addEventListener("DOMContentLoaded", function () {
  var button = document.getElementById("present");
  if (!button) {
    return;
  }
  var slides = Array.from(document.querySelectorAll("article section section")), at = 0;

  function show(index) {
    at = Math.max(0, Math.min(slides.length - 1, index));
    slides.forEach(function (slide, i) { slide.classList.toggle("current", i === at); });
  }
  function end() {
    document.body.classList.remove("presenting");
  }

  button.addEventListener("click", function (event) {
    event.stopPropagation();
    document.body.classList.add("presenting");
    show(0);
  });
  document.addEventListener("keydown", function (event) {
    var step = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (!document.body.classList.contains("presenting")) {
      return;
    }
    if (event.key === "Escape") {
      end();
    } else if (step) {
      event.preventDefault();
      show(at + step);
    }
  });
  document.addEventListener("click", function (event) {
    if (document.body.classList.contains("presenting") && !event.target.closest("a")) {
      show(at + (event.clientX < window.innerWidth / 2 ? -1 : 1));
    }
  });
});
