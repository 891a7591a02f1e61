"""Part masks on a user's own photos: the page that they are drawn on, and what is written of them."""
