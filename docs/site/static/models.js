/* Closed forms of the package theory, for the sliders. The tests hold each of them against Python. */
"use strict";

var projheadModels = {
  /* Weights of one feature before and after the head: theory.layer_weights of a model with one feature. */
  layerWeights: function (phi, alpha, sigma) {
    var after = (Math.sqrt((1 - alpha) * (1 - alpha)) * phi) / (phi * phi + sigma * sigma);
    return [Math.sqrt(after), after];
  },

  /* Gain of the signal under the spectral loss, both views augmented: theory.projector_gain("spectral", r, sigma). */
  spectralGain: function (r, sigma) {
    var v = 1 + sigma * sigma;
    return (Math.sqrt(1 + r * r) * v) / (v + r * r);
  },
};

if (typeof module !== "undefined") {
  module.exports = projheadModels;
}
