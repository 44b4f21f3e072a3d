/**
 * What of ONNX's test cases doesn't pass, and why: whole operators, and single cases of operators that are there. The
 * test fails for a case that passes and is listed here, and for one that doesn't and isn't.
 */

/** Cases or operators that share a reason: names between spaces. */
export type Reasons = readonly (readonly [reason: string, names: string])[];

/** Operators that imported models can't have. */
export const operators: Reasons = [
  [
    'sequences, optional values, text and inner graphs are no tensors',
    `SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap SplitToSequence
     ConcatFromSequence OptionalGetElement OptionalHasElement If Loop Scan StringNormalizer TfIdfVectorizer`,
  ],
  [
    'quantized numbers and single bits are not computed with',
    `ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear BitShift`,
  ],
  [
    'signals, boxes and sampling are outside of what nets of convolutions use',
    `BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT GridSample NonMaxSuppression RoiAlign`,
  ],
  ['recurrent layers are not there', 'GRU LSTM RNN ReverseSequence'],
  ['random numbers are counted, and never those of another library', 'Bernoulli RandomUniformLike'],
  [
    'optimizers are classes here, which optimizers.test.ts runs these cases by',
    'ai.onnx.preview.training.Adagrad ai.onnx.preview.training.Adam ai.onnx.preview.training.Momentum',
  ],
  ['gradients are taken by the tape, outside of a graph', 'ai.onnx.preview.training.Gradient'],
  [
    'the number of results depends on the numbers, for which a forward pass would have to wait',
    'Compress NonZero Unique',
  ],
  ['there is no expression for it', 'Acos Asin Atan'],
  ['there is no kernel for it', 'Det GatherND MaxUnpool Scatter ScatterElements ScatterND'],
];

/** Cases of operators that are there. */
export const cases: Reasons = [
  [
    'maps have one or two axes',
    `test_averagepool_3d_default test_maxpool_3d_default test_AvgPool3d test_AvgPool3d_stride
     test_AvgPool3d_stride1_pad0_gpu_input test_Conv3d test_Conv3d_dilated test_Conv3d_dilated_strided test_Conv3d_groups
     test_Conv3d_no_bias test_Conv3d_stride test_Conv3d_stride_padding test_convtranspose_3d test_MaxPool3d
     test_MaxPool3d_stride test_MaxPool3d_stride_padding`,
  ],
  [
    'windows of pools have no gaps',
    'test_maxpool_2d_dilations test_MaxPool1d_stride_padding_dilation test_MaxPool2d_stride_padding_dilation',
  ],
  [
    'the places of the largest are not given',
    'test_maxpool_with_argmax_2d_precomputed_pads test_maxpool_with_argmax_2d_precomputed_strides',
  ],
  [
    'text is no tensor',
    `test_cast_FLOAT_to_STRING test_cast_STRING_to_FLOAT test_castlike_FLOAT_to_STRING
     test_castlike_FLOAT_to_STRING_expanded test_castlike_STRING_to_FLOAT test_castlike_STRING_to_FLOAT_expanded`,
  ],
  [
    'its files of numbers say uint16 where its model says bfloat16',
    `test_cast_BFLOAT16_to_FLOAT test_cast_FLOAT_to_BFLOAT16 test_castlike_BFLOAT16_to_FLOAT
     test_castlike_BFLOAT16_to_FLOAT_expanded test_castlike_FLOAT_to_BFLOAT16 test_castlike_FLOAT_to_BFLOAT16_expanded`,
  ],
  ['a part of an image is not resized by itself', 'test_resize_tf_crop_and_resize'],
  ['sequences and optional values are no tensors', 'test_identity_opt test_identity_sequence'],
  [
    'a range up to a number that the device computes',
    `test_blackmanwindow_expanded test_blackmanwindow_symmetric_expanded test_hammingwindow_expanded
     test_hammingwindow_symmetric_expanded test_hannwindow_expanded test_hannwindow_symmetric_expanded`,
  ],
  [
    "dropout draws other random numbers than NumPy's, and only in a module that trains",
    `test_training_dropout test_training_dropout_default test_training_dropout_default_mask
     test_training_dropout_mask`,
  ],
];

/** Cases that pass on the CPU alone. */
export const cpuAlone: Reasons = [];
