"""The data sets that labkit reads: embedded, torchvision's, a folder of images, HDF5, Tiny-ImageNet."""
