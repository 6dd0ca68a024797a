"""Why did the network say so? One short module a view of a network, each with figures that say whether the view can be believed."""
