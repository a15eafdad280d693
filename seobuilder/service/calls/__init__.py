"""What the service's names do; `seobuilder.service`'s modules offer them."""
