//! Reading a device: which requests come next, what their answers mean, and the reading that they give.
