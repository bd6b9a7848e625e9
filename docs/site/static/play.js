/* Three pictures that follow their sliders. Plain SVG; needs models.js and tables.js. */
"use strict";

(function () {
  var COLORS = { before: "#0173b2", after: "#de8f05", third: "#029e73" };
  var BOX = { width: 600, height: 340, left: 58, right: 120, top: 14, bottom: 46 };

  function element(name, attributes, text) {
    var node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) {
      node.setAttribute(key, attributes[key]);
    });
    if (text !== undefined) {
      node.textContent = text;
    }
    return node;
  }

  function scale(axis, from, to) {
    var map = axis.log ? Math.log : function (x) { return x; };
    var low = map(axis.min), high = map(axis.max);
    return function (value) {
      return from + ((map(value) - low) / (high - low)) * (to - from);
    };
  }

  /* Draw curves {name, color, x, y, dash} into an svg. Labels stand at the right end and are moved apart. */
  function draw(svg, x, y, curves, level) {
    var right = BOX.width - BOX.right, bottom = BOX.height - BOX.bottom;
    var across = scale(x, BOX.left, right), up = scale(y, bottom, BOX.top);
    svg.replaceChildren();
    x.ticks.forEach(function (tick) {
      svg.append(element("line", { x1: across(tick), x2: across(tick), y1: bottom, y2: bottom + 5, class: "axis" }));
      svg.append(element("text", { x: across(tick), y: bottom + 19, "text-anchor": "middle" }, tick));
    });
    y.ticks.forEach(function (tick) {
      svg.append(element("line", { x1: BOX.left - 5, x2: BOX.left, y1: up(tick), y2: up(tick), class: "axis" }));
      svg.append(element("text", { x: BOX.left - 9, y: up(tick) + 4, "text-anchor": "end" }, tick));
    });
    svg.append(element("path", { d: "M" + BOX.left + " " + BOX.top + "V" + bottom + "H" + right, class: "axis" }));
    svg.append(element("text", { x: (BOX.left + right) / 2, y: BOX.height - 6, "text-anchor": "middle" }, x.label));
    svg.append(element("text", { x: 14, y: (BOX.top + bottom) / 2, "text-anchor": "middle",
      transform: "rotate(-90 14 " + (BOX.top + bottom) / 2 + ")" }, y.label));
    if (level !== undefined) {
      svg.append(element("line", { x1: BOX.left, x2: right, y1: up(level), y2: up(level), class: "level" }));
    }
    var ends = [];
    curves.forEach(function (curve) {
      var points = curve.x.map(function (value, i) {
        return across(value).toFixed(2) + " " + up(Math.max(y.min, Math.min(y.max, curve.y[i]))).toFixed(2);
      });
      svg.append(element("path", { d: "M" + points.join("L"), stroke: curve.color, class: "curve",
        "data-curve": curve.name, "stroke-dasharray": curve.dash || "none" }));
      ends.push({ at: Number(points[points.length - 1].split(" ")[1]), curve: curve });
    });
    ends.sort(function (a, b) { return a.at - b.at; });
    ends.forEach(function (end, i) {
      end.at = i ? Math.max(end.at, ends[i - 1].at + 17) : end.at;
      svg.append(element("text", { x: right + 6, y: end.at + 4, fill: end.curve.color, class: "name" }, end.curve.name));
    });
  }

  function grid(low, high, count) {
    return Array.from({ length: count }, function (_, i) {
      return low * Math.pow(high / low, i / (count - 1));
    });
  }

  /* Read the sliders of a picture. One with a table counts its entries; the shown number is the entry. */
  function values(figure) {
    var found = {};
    figure.querySelectorAll("input[type=range]").forEach(function (slider) {
      var table = slider.dataset.table;
      var value = table ? projheadTables[table][slider.valueAsNumber] : slider.valueAsNumber;
      found[slider.name] = table ? slider.valueAsNumber : value;
      slider.closest("label").querySelector("output").textContent = value;
      slider.setAttribute("aria-valuetext", value);
    });
    return found;
  }

  var strengths = grid(0.05, 4, 160);
  var pictures = {
    weights: function (svg, now) {
      var pairs = strengths.map(function (phi) { return projheadModels.layerWeights(phi, now.alpha, now.sigma); });
      var peak = projheadModels.layerWeights(now.sigma, now.alpha, now.sigma);
      draw(svg,
        { label: "strength φ of the feature", min: 0.05, max: 4, log: true, ticks: [0.05, 0.1, 0.2, 0.5, 1, 2, 4] },
        { label: "weight", min: 0, max: 3, ticks: [0, 1, 2, 3] },
        [
          { name: "before: √s", color: COLORS.before, x: strengths, y: pairs.map(function (p) { return p[0]; }) },
          { name: "after: s", color: COLORS.after, x: strengths, y: pairs.map(function (p) { return p[1]; }) },
        ]);
      return "The weights are largest at φ = σ = " + now.sigma.toFixed(2) + ": " + peak[0].toFixed(3) +
        " before the head and " + peak[1].toFixed(3) + " after it.";
    },
    gain: function (svg, now) {
      var t = projheadTables, r = t.signal[now.signal];
      var spectral = t.sigma.map(function (sigma) { return projheadModels.spectralGain(r, sigma); });
      var all = spectral.concat(t.gain.inner[now.signal], t.gain.euclidean[now.signal]);
      var top = Math.ceil(2 * Math.max.apply(null, all)) / 2;
      draw(svg,
        { label: "augmentation σ", min: 0, max: 3, ticks: [0, 0.5, 1, 1.5, 2, 2.5, 3] },
        { label: "gain of the class direction", min: 0, max: top, ticks: [0, 1, top] },
        [
          { name: "spectral", color: COLORS.before, x: t.sigma, y: spectral },
          { name: "InfoNCE, inner", color: COLORS.after, x: t.sigma, y: t.gain.inner[now.signal], dash: "7 4" },
          { name: "InfoNCE, distance", color: COLORS.third, x: t.sigma, y: t.gain.euclidean[now.signal], dash: "2 3" },
        ], 1);
      return "Above the grey line the projector expands the direction that separates the classes. The spectral loss " +
        "does so for σ above " + Math.pow(1 + r * r, 0.25).toFixed(3) + ".";
    },
    accuracy: function (svg, now) {
      var t = projheadTables, both = t.accuracy[now.alpha][now.phi], gap = both[0].map(function (b, i) { return b - both[1][i]; });
      draw(svg,
        { label: "labels n", min: 1, max: 512, log: true, ticks: [1, 4, 16, 64, 256] },
        { label: "accuracy", min: 0.5, max: 1, ticks: [0.5, 0.6, 0.7, 0.8, 0.9, 1] },
        [
          { name: "before", color: COLORS.before, x: t.labels, y: both[0] },
          { name: "after", color: COLORS.after, x: t.labels, y: both[1], dash: "7 4" },
        ]);
      var at = t.labels.indexOf(8);
      return "With 8 labels, before minus after is " + (gap[at] < 0 ? "−" : "+") + Math.abs(gap[at]).toFixed(3) + ".";
    },
  };

  document.querySelectorAll("figure.play").forEach(function (figure) {
    var svg = figure.querySelector("svg"), said = figure.querySelector("output.said");
    svg.setAttribute("viewBox", "0 0 " + BOX.width + " " + BOX.height);
    function refresh() {
      said.textContent = pictures[figure.dataset.picture](svg, values(figure));
    }
    figure.addEventListener("input", refresh);
    refresh();
  });
})();
