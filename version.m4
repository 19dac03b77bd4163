dnl The version of jabberfiles. Nothing else states it.
m4_define([JF_VERSION_NUMBER], [0.1.0])
